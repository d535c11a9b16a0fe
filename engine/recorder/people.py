"""Alerts as lines for people, on a terminal or in a pipe."""

from engine.features.catalogue import NAMES
from engine.recorder.fields import fields, people_text, top
from engine.recorder.template import Field
from engine.rings.plan import RunPlan

TOLD = 3  # Features; the files have all.
_END = "<?is.version6>[<{0}>]<.><!is.version6><{0}><.><?is.ported>:<{0}_port><.>"
PEOPLE_ALERT = (
    "<?is.alert><people.time> UTC  <label>  score <score> (threshold <threshold>)  <proto> "
    + _END.format("initiator")
    + " > "
    + _END.format("responder")
    + "<?is.vlan> vlan <vlan><.>  <service>  <fwd_packets>/<bwd_packets> packets"
    + "<?is.explained>  because <people.top><.>  <community_id>  <source>@<first_offset>\n<.>"
)


def people_fields(plan: RunPlan) -> dict[str, Field]:
    """Return what the places of PEOPLE_ALERT stand for in this run."""
    names = tuple(name.encode() + b"=" for name in NAMES)
    named = fields(plan.sources, plan.labels, people_text, plan.config.recorder.community_id_seed)
    return named | {"people.top": top(names, (b" (", b")", b", "), TOLD)}
