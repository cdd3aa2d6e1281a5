"""One small instance of each public family, with a best solution whose cost was worked out by hand beside it."""

PLACES = """NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
4 0 5
"""

CVRP = f"""NAME : three
TYPE : CVRP
DIMENSION : 4
CAPACITY : 2
EDGE_WEIGHT_TYPE : EUC_2D
{PLACES}DEMAND_SECTION
1 0
2 1
3 1
4 1
DEPOT_SECTION
 1
 -1
EOF
"""
# Out to (3,4) 5, on to (6,8) 5, home 10; out to (0,5) and back 10.
CVRP_BEST = ("Route #1: 1 2\nRoute #2: 3\nCost 30\n", 30)

VRPTW = f"""NAME : hours
TYPE : CVRPTW
DIMENSION : 4
VEHICLES : 2
CAPACITY : 3
SERVICE_TIME : 2
EDGE_WEIGHT_TYPE : EUC_2D
{PLACES}DEMAND_SECTION
1 0
2 1
3 1
4 1
TIME_WINDOW_SECTION
1 0 40
2 0 30
3 10 12
4 0 5
DEPOT_SECTION
1
-1
EOF
"""
# (0,5) must be the first, at 5 (5 there). From it (6,8) is 6.708 away, 13.7 > 12: so another vehicle goes 1 2 (20).
VRPTW_BEST = ("Route #1: 1 2\nRoute #2: 3\nCost 30\n", 30)

PCVRPTW = VRPTW.replace("CVRPTW", "PCVRPTW").replace(
    "DEPOT_SECTION", "PRIZE_SECTION\n1 0\n2 0\n3 0\n4 7\nDEPOT_SECTION"
)
# 10 for (0,5) is more than its prize of 7.
PCVRPTW_BEST = ("Route #1: 1 2\nCost 27\n", 27)

MDVRPTW = """NAME: two depots
TYPE: MDVRPTW
DIMENSION: 4
VEHICLES: 2
CAPACITY: 5
VEHICLES_MAX_DURATION: 5
EDGE_WEIGHT_TYPE: EUC_2D
NODE_COORD_SECTION
1 0 0
2 10 0
3 1 0
4 9 0
DEMAND_SECTION
1 0
2 0
3 1
4 1
SERVICE_TIME_SECTION
1 0
2 0
3 3
4 3
TIME_WINDOW_SECTION
1 0 100
2 0 100
3 50 60
4 0 100
VEHICLES_DEPOT_SECTION
1 1
2 2
DEPOT_SECTION
1
2
EOF
"""
# Each depot's own client: 1 + 1 twice. It takes 2 + 3 of the 5 allowed when the vehicle leaves at 49, not at 0.
MDVRPTW_BEST = ("Route #1: 2\nRoute #2: 3\nCost 4\n", 4)

HFVRP = f"""NAME: kinds
TYPE: HFVRP
DIMENSION: 4
VEHICLES: 3
EDGE_WEIGHT_TYPE: EUC_2D
{PLACES}DEMAND_SECTION
1 0
2 1
3 1
4 1
CAPACITY_SECTION
1 1
2 3
3 1
VEHICLES_FIXED_COST_SECTION
1 4
2 9
3 4
VEHICLES_UNIT_DISTANCE_COST_SECTION
1 1
2 2
3 1
DEPOT_SECTION
1
EOF
"""
# The large one takes (3,4) and (6,8): 9 + 2 x 20 = 49, a small one (0,5): 4 + 10. All in the large one:
# 5 + 5 + 7 + 5 = 22, 9 + 44 = 53. Two small ones for (0,5) and (6,8), the large one for (3,4): 14 + 24 + 29 = 67.
HFVRP_BEST = ("Route #1:\nRoute #2: 3 2 1\nRoute #3:\nCost 53\n", 53)

VRPB = """NAME: back
TYPE: VRPB
DIMENSION: 4
CAPACITY: 2
EDGE_WEIGHT_TYPE: EUC_2D
NODE_COORD_SECTION
1 0 0
2 6 8
3 3 4
4 0 5
DEMAND_SECTION
1 0
2 2
3 0
4 1
BACKHAUL_SECTION
1 0
2 0
3 2
4 0
DEPOT_SECTION
1
EOF
"""
# Bring to (6,8), fetch at (3,4) on the way home: 20; (0,5) by itself, for 2 + 1 are too many: 10.
VRPB_BEST = ("Route #1: 1 2\nRoute #2: 3\nCost 30\n", 30)

SDVRPTW = f"""NAME: skills
TYPE: SDVRPTW
DIMENSION: 4
VEHICLES: 2
CAPACITY: 9
VEHICLES_MAX_DURATION: 100
EDGE_WEIGHT_TYPE: EUC_2D
{PLACES}DEMAND_SECTION
1 0
2 1
3 1
4 1
VEHICLES_ALLOWED_CLIENTS_SECTION
1 2 4
2 3 4
DEPOT_SECTION
1
EOF
"""
# Vehicle 2 alone may go to (6,8), vehicle 1 alone to (3,4). (0,5) with vehicle 1: 5 + 3 + 5 + 20 = 33;
# with vehicle 2: 5 + 7 + 10 + 10 = 32.
SDVRPTW_BEST = ("Route #1: 1\nRoute #2: 3 2\nCost 32\n", 32)

MTVRPTWR = """NAME: trips
TYPE: MTVRPTWR
DIMENSION: 4
VEHICLES: 1
CAPACITY: 2
EDGE_WEIGHT_TYPE: EUC_2D
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
4 0 5
DEMAND_SECTION
1 0
2 1
3 1
4 1
SERVICE_TIME_SECTION
1 0
2 1
3 1
4 1
TIME_WINDOW_SECTION
1 0 60
2 0 60
3 0 60
4 0 60
RELEASE_TIME_SECTION
1 0
2 0
3 30
4 0
VEHICLES_RELOAD_DEPOT_SECTION
1 1
DEPOT_SECTION
1
EOF
"""
# Two fit on board, and (6,8) is ready at 30. First (3,4) and (0,5): 5 + 3 + 5 = 13, then (6,8): 20. The other
# way, (0,5) alone and then 1 2 from 30 on, costs 10 + 20 = 30 and is home at 52.
MTVRPTWR_BEST = ("Route #1: 3 0 1 2\nCost 30\n", 30)

PDPTW = """NAME: pairs
TYPE: PDPTW
DIMENSION: 5
VEHICLES: 2
CAPACITY: 4
EDGE_WEIGHT_TYPE: EUC_2D
NODE_COORD_SECTION
1 0 0
2 10 0
3 20 0
4 15 0
5 5 0
PICKUP_AND_DELIVERY_SECTION
1 0 0 100 0 0 0
2 3 0 100 1 0 3
3 -3 0 100 1 2 0
4 2 0 100 1 0 5
5 -2 0 100 1 4 0
DEPOT_SECTION
1
-1
EOF
"""
# Out 10, 20: 20 on board 3, back over 15 (load 2) to 5 and home: 40 in all. Fetching at 15 before 20 would be 5 > 4.
PDPTW_BEST = ("Route #1: 1 2 3 4\nCost 40\n", 40)

FAMILIES = {
    "CVRP": (CVRP, CVRP_BEST), "VRPTW": (VRPTW, VRPTW_BEST), "PCVRPTW": (PCVRPTW, PCVRPTW_BEST),
    "MDVRPTW": (MDVRPTW, MDVRPTW_BEST), "HFVRP": (HFVRP, HFVRP_BEST), "VRPB": (VRPB, VRPB_BEST),
    "SDVRPTW": (SDVRPTW, SDVRPTW_BEST), "MTVRPTWR": (MTVRPTWR, MTVRPTWR_BEST), "PDPTW": (PDPTW, PDPTW_BEST),
}  # fmt: skip

SOLOMON = """hours

VEHICLE
NUMBER     CAPACITY
  2          3

CUSTOMER
CUST NO.  XCOORD.   YCOORD.    DEMAND   READY TIME  DUE DATE   SERVICE   TIME

    0      0          0          0          0         40          0
    1      3          4          1          0         30          2
    2      6          8          1         10         12          2
    3      0          5          1          0          5          2
"""

LI_LIM = """2 4 1
0 0 0 0 0 100 0 0 0
1 10 0 3 0 100 1 0 2
2 20 0 -3 0 100 1 1 0
3 15 0 2 0 100 1 0 4
4 5 0 -2 0 100 1 3 0
"""
