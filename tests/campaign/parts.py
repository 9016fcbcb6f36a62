"""All parts of the campaign, in the order in which they run."""

from __future__ import annotations

from tests.campaign.clock import Clock
from tests.campaign.disk import Disk
from tests.campaign.films import Films
from tests.campaign.forged import Forged
from tests.campaign.images import Images
from tests.campaign.kills import Kills
from tests.campaign.sockets import Sockets
from tests.campaign.stage import Part

PARTS: tuple[Part, ...] = (Images(), Films(), Forged(), Sockets(), Kills(), Disk(), Clock())
