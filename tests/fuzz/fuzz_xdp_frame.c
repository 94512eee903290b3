/* A frame from the wire: read, and answered with one octet less or, where there is room, more. */
#include "base/status.h"
#include "serve/xdp_frame.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t chunk[XDP_FRAME_MOST];
	struct sockaddr_storage source, target;
	struct xdp_frame frame, again;

	if (size > sizeof chunk)
		return 0;
	memcpy(chunk, bytes, size);
	if (!xdp_frame_read(chunk, size, &frame))
		return 0;
	invariant(frame.header_size + frame.payload_size <= size);
	invariant(xdp_frame_source(&frame, 1, &source) == xdp_frame_target(&frame, 1, &target));
	size_t answer = frame.payload_size / 2 + (frame.payload_size & 1 ? 0 : 700);
	if (frame.header_size + answer > sizeof chunk)
		answer = sizeof chunk - frame.header_size;
	invariant(xdp_frame_answer(&frame, answer) == frame.header_size + answer);
	/* A target can be what no source is, and so can a port. */
	if (xdp_frame_read(chunk, frame.header_size + answer, &again)) {
		invariant(memcmp(&again.target, &frame.source, sizeof again.target) == 0);
		invariant(memcmp(&again.source, &frame.target, sizeof again.source) == 0);
		invariant(again.payload_size == answer);
	}
	return 0;
}
