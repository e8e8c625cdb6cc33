"""The pretend cloud as a judge sees it: what is somebody else's, what is ours, and whether both are as they must be.

Nothing here asks kubewright what it thinks it did: only `sandbox show` and the state before the first command count.
"""

import collections


def things(shown):
    """What stands, by what it is. Tombstones, which the cloud lists for an hour, do not count; what belongs to the
    account from the start is none of anybody's."""
    made = [thing for thing in shown["objects"] if thing["createdBy"] != "builtin"]
    made = [thing for thing in made if thing["state"].lower() not in ("terminated", "deleted")]
    return {(thing["cloud"], thing["service"], thing["kind"], thing["id"]): thing for thing in made}


class Judge:
    """Knows what was there before the first command, and what an undisturbed build makes."""

    def __init__(self, before):
        self.foreign = things(before)
        self.golden = None

    def ours(self, shown):
        return [thing for key, thing in things(shown).items() if key not in self.foreign]

    def foreign_one(self, kind):
        """A foreign thing of this kind."""
        return next(thing for thing in self.foreign.values() if thing["kind"] == kind)

    def shape(self, shown):
        """Our part of the world without ids: what kinds there are, how many, made by which step."""
        def key(thing):
            step = thing.get("tags", {}).get("kubewright-step", "")
            return (thing["cloud"], thing["service"], thing["kind"], step, thing["createdBy"], thing["state"])

        return collections.Counter(key(thing) for thing in self.ours(shown))

    def foreign_stands(self, shown):
        """Every foreign object is there, and in nothing different."""
        now = things(shown)
        for key, thing in self.foreign.items():
            if key not in now:
                raise RuntimeError(f"foreign {'/'.join(key)} is gone")
            if now[key] != thing:
                changed = [name for name in thing if thing[name] != now[key].get(name)]
                raise RuntimeError(f"foreign {'/'.join(key)} was changed: {', '.join(changed) or 'more fields'}")

    def nothing_left(self, shown):
        """After a destroy."""
        self.foreign_stands(shown)
        left = self.ours(shown)
        if left:
            names = [f"{thing['service']}/{thing['kind']} {thing['id']}" for thing in left]
            raise RuntimeError(f"{len(left)} objects left: {', '.join(names)}")

    def as_undisturbed(self, shown):
        """After a build that was interrupted and continued."""
        self.foreign_stands(shown)
        have = self.shape(shown)
        if have != self.golden:
            raise RuntimeError(f"resumed world differs: more {dict(have - self.golden)} less {dict(self.golden - have)}")
