"""Every contender, in the order of the tables."""

from contenders.base import Contender
from contenders.direct import Direct
from contenders.nginx import Nginx
from contenders.peers import LiteLLM, Portkey, TensorZero
from contenders.polyrelay import Polyrelay

CONTENDERS: dict[str, type[Contender]] = {
    each.name: each for each in (Direct, Nginx, Polyrelay, TensorZero, Portkey, LiteLLM)
}
