"""Files joined one behind the other: clocks that start anew are made to go on."""

from collections import defaultdict

BACK_S = 0.5  # less than this backwards is jitter, or pictures in the order of their decoding


def continue_packets(packets):
    """Yield packets of any streams; those of a further file are moved behind what came before.

    Ogg, Matroska, MPEG-TS and FLAC files may be joined byte by byte; their packets then go back in
    time. All streams of a part move by as much as the first that went back.
    """
    stretches, part, moves, end_s = defaultdict(list), defaultdict(int), [0.0], 0.0
    seconds_a_tick = {}
    for packet in packets:
        dts, stream = packet.dts, packet.stream_index
        if dts is not None:
            if stream not in seconds_a_tick:
                seconds_a_tick[stream] = float(packet.time_base)
            tick_s, own = seconds_a_tick[stream], stretches[stream]
            at_s = dts * tick_s
            if _starts_anew(at_s, own):
                own.clear()
                part[stream] += 1
                if part[stream] == len(moves):
                    moves.append(end_s - at_s)
            until_s = at_s + (packet.duration or 0) * tick_s
            _add(own, at_s, until_s)
            move_s = moves[part[stream]]
            end_s = max(end_s, until_s + move_s)
            if move_s:
                packet.dts += round(move_s / tick_s)
                packet.pts = None if packet.pts is None else packet.pts + round(move_s / tick_s)
        yield packet


def _starts_anew(at_s, stretches):
    """Tell whether an instant lies within, or before, what was read; not in a gap of it."""
    if not stretches or at_s >= stretches[-1][1] - BACK_S:  # as nearly always
        return False
    if at_s >= max(end_s for _, end_s in stretches) - BACK_S:
        return False
    if at_s < min(start_s for start_s, _ in stretches) - BACK_S:  # no lone wrong timestamp
        return sum(end_s - start_s for start_s, end_s in stretches) > BACK_S
    return any(start_s - BACK_S <= at_s < end_s - BACK_S for start_s, end_s in stretches)


def _add(stretches, start_s, end_s):
    """Add seconds to the last of the unbroken stretches, or as a new one."""
    if stretches and abs(start_s - stretches[-1][1]) <= BACK_S:
        stretches[-1][1] = max(end_s, stretches[-1][1])
    else:
        stretches.append([start_s, end_s])
