"""The post office: items, plans, handovers and money of doorstep delivery."""
