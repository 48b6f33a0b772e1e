"""Bad days on the real service: full disks, slow clients, poisoned replies, clock jumps, beside healthy tickets."""
