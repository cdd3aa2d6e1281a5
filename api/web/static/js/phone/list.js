// @ts-check
// The first screen, which everything returns to: what this phone has saved and what the office has of it.

export { live, screen } from "./acts.js";
