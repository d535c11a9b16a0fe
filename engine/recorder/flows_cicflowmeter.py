"""Flow records in the columns of CICFlowMeter 4 (Java): 83 and a label; times in microseconds."""

from engine.recorder.schemas import Cell, feature_cells, header_of, record_of

_NAMES = """
Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Total Fwd Packet,
Total Bwd packets,Total Length of Fwd Packet,Total Length of Bwd Packet,Fwd Packet Length Max,
Fwd Packet Length Min,Fwd Packet Length Mean,Fwd Packet Length Std,Bwd Packet Length Max,
Bwd Packet Length Min,Bwd Packet Length Mean,Bwd Packet Length Std,Flow Bytes/s,Flow Packets/s,
Flow IAT Mean,Flow IAT Std,Flow IAT Max,Flow IAT Min,Fwd IAT Total,Fwd IAT Mean,Fwd IAT Std,
Fwd IAT Max,Fwd IAT Min,Bwd IAT Total,Bwd IAT Mean,Bwd IAT Std,Bwd IAT Max,Bwd IAT Min,
Fwd PSH Flags,Bwd PSH Flags,Fwd URG Flags,Bwd URG Flags,Fwd Header Length,Bwd Header Length,
Fwd Packets/s,Bwd Packets/s,Packet Length Min,Packet Length Max,Packet Length Mean,
Packet Length Std,Packet Length Variance,FIN Flag Count,SYN Flag Count,RST Flag Count,
PSH Flag Count,ACK Flag Count,URG Flag Count,CWR Flag Count,ECE Flag Count,Down/Up Ratio,
Average Packet Size,Fwd Segment Size Avg,Bwd Segment Size Avg,Fwd Bytes/Bulk Avg,
Fwd Packet/Bulk Avg,Fwd Bulk Rate Avg,Bwd Bytes/Bulk Avg,Bwd Packet/Bulk Avg,Bwd Bulk Rate Avg,
Subflow Fwd Packets,Subflow Fwd Bytes,Subflow Bwd Packets,Subflow Bwd Bytes,FWD Init Win Bytes,
Bwd Init Win Bytes,Fwd Act Data Pkts,Fwd Seg Size Min,Active Mean,Active Std,Active Max,
Active Min,Idle Mean,Idle Std,Idle Max,Idle Min,Label
"""
NAMES = tuple(name.strip() for name in _NAMES.split(","))

_OWN = (
    Cell(
        "Flow ID",
        "<initiator>-<responder>-<initiator_port>-<responder_port>-<protocol>",
        "addresses, ports, protocol",
        "the initiator always stands first",
    ),
    Cell("Src IP", "<initiator>", "initiator"),
    Cell("Src Port", "<initiator_port>", "initiator_port", "of ICMP the type"),
    Cell("Dst IP", "<responder>", "responder"),
    Cell("Dst Port", "<responder_port>", "responder_port", "of ICMP its counterpart or code"),
    Cell("Protocol", "<protocol>", "protocol"),
    Cell("Timestamp", "<clock.start>", "start", "in UTC"),
    Cell("Flow Duration", "<us.duration>", "end_ns - start_ns in us, of the corrected clock"),
    Cell("Total Fwd Packet", "<fwd_packets>", "fwd_packets"),
    Cell("Total Bwd packets", "<bwd_packets>", "bwd_packets"),
    Cell("Label", "NeedManualLabel", "the word that the program writes"),
)
# Lengths are of the payload in that program; profile cicflowmeter has them so.
_LENGTHS = "payload there: ours are, with profile cicflowmeter"
_OF_LENGTHS = ("Packet Length", "Average Packet Size", "Flow Bytes/s", "Subflow")


def _cells() -> tuple[Cell, ...]:
    known = feature_cells("cicflowmeter") | {cell.name: cell for cell in _OWN}
    cells = []
    for name in NAMES:
        cell = known[name]
        lengths = any(part in name for part in _OF_LENGTHS) and not name.endswith("Packets")
        if lengths and not cell.difference:
            cell = cell._replace(difference=_LENGTHS)
        cells.append(cell)
    return tuple(cells)


CELLS = _cells()
CICFLOWMETER_RECORD = record_of(CELLS)
CICFLOWMETER_HEADER = header_of(CELLS)
assert len(CELLS) == 84
