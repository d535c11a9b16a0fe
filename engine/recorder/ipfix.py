"""The IPFIX information elements that mean the same as a column (IANA registry; RFC 7012).

Reverse elements are those of RFC 5103. An element is named only where a reader may take our value
for it: bytes are those of IP packets, counts those of a flow part, times those of the capture.
"""

INFORMATION_ELEMENTS = {
    "reason": "flowEndReason",
    "start_ns": "flowStartNanoseconds",
    "end_ns": "flowEndNanoseconds",
    "start": "flowStartNanoseconds",
    "end": "flowEndNanoseconds",
    "version": "ipVersion",
    "protocol": "protocolIdentifier",
    "initiator": "sourceIPv4Address or sourceIPv6Address, by ipVersion",
    "initiator_port": "sourceTransportPort",
    "responder": "destinationIPv4Address or destinationIPv6Address, by ipVersion",
    "responder_port": "destinationTransportPort",
    "vlan": "dot1qVlanId",
    "flow_id": "flowId",
    "fwd_packets": "packetDeltaCount",
    "bwd_packets": "reversePacketDeltaCount",
    "fwd_bytes": "octetDeltaCount",
    "bwd_bytes": "reverseOctetDeltaCount",
    "duration_us": "flowDurationMicroseconds",
    "fwd_payload_byte_count": "initiatorOctets",
    "bwd_payload_byte_count": "responderOctets",
    "fwd_packet_length_min": "minimumIpTotalLength",
    "fwd_packet_length_max": "maximumIpTotalLength",
    "bwd_packet_length_min": "reverseMinimumIpTotalLength",
    "bwd_packet_length_max": "reverseMaximumIpTotalLength",
    "fwd_psh_count": "tcpPshTotalCount",
    "bwd_psh_count": "reverseTcpPshTotalCount",
    "fwd_urg_count": "tcpUrgTotalCount",
    "bwd_urg_count": "reverseTcpUrgTotalCount",
}
