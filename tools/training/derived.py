"""Features that are functions of other features: a forest that compares them learns nothing new.

Up to the rounding of float32. `duration` is duration_us / 10⁶.
"""

_SIDES = ("fwd", "bwd")

DERIVED = {
    "packet_count": "fwd_packet_count + bwd_packet_count",
    "byte_count": "fwd_byte_count + bwd_byte_count",
    "bwd_fwd_byte_ratio_log2": "log2((bwd_byte_count + 1) / (fwd_byte_count + 1))",
    "packet_length_min": "least of the directions' packet_length_min",
    "packet_length_max": "largest of the directions' packet_length_max",
    "packet_length_mean": "byte_count / packet_count",
    "packet_length_std": "of the directions' counts, means and deviations",
    "packet_length_variance": "packet_length_std squared",
    "byte_rate": "byte_count / duration",
    "packet_rate": "packet_count / duration",
    "iat_mean_us": "duration_us / (packet_count - 1)",
}
for _side in _SIDES:
    DERIVED |= {
        f"{_side}_byte_count": f"{_side}_header_byte_count + {_side}_payload_byte_count",
        f"{_side}_packet_length_mean": f"{_side}_byte_count / {_side}_packet_count",
        f"{_side}_payload_length_mean": f"{_side}_payload_byte_count / {_side}_packet_count",
        f"{_side}_packet_rate": f"{_side}_packet_count / duration",
        f"{_side}_byte_rate": f"{_side}_byte_count / duration",
        f"{_side}_iat_mean_us": f"{_side}_iat_total_us / ({_side}_packet_count - 1)",
        f"subflow_{_side}_byte_count_mean": (
            f"subflow_{_side}_packet_count_mean · {_side}_packet_length_mean"
        ),
    }
DERIVED["subflow_bwd_packet_count_mean"] = (
    "subflow_fwd_packet_count_mean · bwd_packet_count / fwd_packet_count"
)
