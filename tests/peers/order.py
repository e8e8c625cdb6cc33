"""The order in which AWS lets things go, asserted on a recorded teardown: a destroy that is wrong can pass on an emulator."""

from support import check

# Every call of the first kind must have been answered before any call of the second is made.
BEFORE = [
    ("DeleteNodegroup", "DeleteCluster"),
    ("DeleteAddon", "DeleteCluster"),
    ("DeleteNodegroup", "DetachRolePolicy"),
    ("DeleteCluster", "DetachRolePolicy"),
    ("DetachRolePolicy", "DeleteRole"),
    ("DeleteCluster", "DeleteSubnet"),
    ("DeleteNodegroup", "DeleteNatGateway"),
    ("DeleteNatGateway", "ReleaseAddress"),
    ("DeleteNatGateway", "DetachInternetGateway"),
    ("ReleaseAddress", "DetachInternetGateway"),
    ("DetachInternetGateway", "DeleteInternetGateway"),
    ("DeleteSubnet", "DeleteVpc"),
    ("DeleteRouteTable", "DeleteVpc"),
    ("DeleteInternetGateway", "DeleteVpc"),
    ("DeleteNodegroup", "DeleteLaunchTemplate"),
]
# Per object rather than over all: each role's policies go before that role.
_PER_ROLE = {("DetachRolePolicy", "DeleteRole")}


def check_order(calls):
    """`calls` are (operation name, role name or None), in the order of their replies."""
    checked = 0
    for first, second in BEFORE:
        firsts = [at for at, call in enumerate(calls) if call[0] == first]
        seconds = [at for at, call in enumerate(calls) if call[0] == second]
        if not firsts or not seconds:
            continue
        if (first, second) in _PER_ROLE:
            for at in seconds:
                late = [other for other in firsts if other > at and calls[other][1] == calls[at][1]]
                check(not late, f"{first} of role {calls[at][1]} came after its {second}")
        else:
            check(max(firsts) < min(seconds), f"a {second} came before the last {first}")
        checked += 1
    check(checked >= 8, f"only {checked} rules of order had both of their calls: the teardown was not seen whole")
    return checked
