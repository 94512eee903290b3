#include "serve/xdp_filter.h"
#include "serve/xdp_frame.h"
#include "serve/xdp_socket.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_INSTRUCTIONS 80
/* A target that is not known yet; far from any real one. */
#define TO_PASS 0x7001
#define TO_IPV6 0x7002
#define TO_FIND 0x7003

#define KEY_AT (-24) /* on the program's stack: struct xdp_filter_key, in 24 octets */

struct xdp_filter {
	int keys, sockets, program, link;
};

/* ---- an assembler of one page ---- */

struct program {
	struct bpf_insn code[MOST_INSTRUCTIONS];
	int count;
};

static void
put(struct program *program, int code, unsigned target, unsigned source, int offset, int32_t value)
{
	require(program->count < MOST_INSTRUCTIONS);
	program->code[program->count++] = (struct bpf_insn){
		.code = (uint8_t)code, .dst_reg = target & 15, .src_reg = source & 15, .off = (int16_t)offset,
		.imm = value};
}

static void
move(struct program *program, unsigned target, unsigned source)
{
	put(program, BPF_ALU64 | BPF_MOV | BPF_X, target, source, 0, 0);
}

static void
set(struct program *program, unsigned target, int32_t value)
{
	put(program, BPF_ALU64 | BPF_MOV | BPF_K, target, 0, 0, value);
}

static void
load(struct program *program, int size, unsigned target, unsigned base, int offset)
{
	put(program, BPF_LDX | BPF_MEM | size, target, base, offset, 0);
}

/* 64 bits in two instructions; the kernel puts the map's address there. */
static void
set_map(struct program *program, unsigned target, int fd)
{
	put(program, BPF_LD | BPF_IMM | BPF_DW, target, BPF_PSEUDO_MAP_FD, 0, fd);
	put(program, 0, 0, 0, 0, 0);
}

/* Where the label stands: jumps to it so far are given their distance. */
static void
label(struct program *program, int name)
{
	for (int i = 0; i < program->count; i++)
		if (program->code[i].off == name)
			program->code[i].off = (int16_t)(program->count - i - 1);
}

/* Register 2 is the frame, 3 its end, 4 is free. Is there at least `size`? */
static void
need(struct program *program, int size)
{
	move(program, BPF_REG_4, BPF_REG_2);
	put(program, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, size);
	put(program, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, TO_PASS, 0);
}

/* The field under the mask is that value, or the frame is not ours. */
static void
expect(struct program *program, int size, int offset, int32_t mask, int32_t value)
{
	load(program, size, BPF_REG_4, BPF_REG_2, offset);
	if (mask != 0)
		put(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_4, 0, 0, mask);
	put(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, TO_PASS, value);
}

/* Octets of the frame, or a constant, into the key. */
static void
copy(struct program *program, int size, int from, int to)
{
	load(program, size, BPF_REG_4, BPF_REG_2, from);
	put(program, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_4, KEY_AT + to, 0);
}

static void
constant(struct program *program, int to, uint32_t value)
{
	put(program, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, KEY_AT + to, (int32_t)value);
}

/* ---- what is taken; offsets are from the frame's start ---- */

static void
write_start(struct program *program, const uint8_t mac[6])
{
	uint16_t words[3];

	memcpy(words, mac, sizeof words);
	move(program, BPF_REG_6, BPF_REG_1);
	load(program, BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data));
	load(program, BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end));
	/* A chunk of ours has room for this much. */
	move(program, BPF_REG_4, BPF_REG_2);
	put(program, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, XDP_FRAME_MOST);
	put(program, BPF_JMP | BPF_JLT | BPF_X, BPF_REG_4, BPF_REG_3, TO_PASS, 0);
	need(program, 42);
	for (int i = 0; i < 3; i++)
		expect(program, BPF_H, 2 * i, 0, words[i]);
	load(program, BPF_H, BPF_REG_4, BPF_REG_2, 12);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_4, 0, TO_IPV6, htons(0x86dd));
	put(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, TO_PASS, htons(0x0800));
}

static void
write_ipv4(struct program *program)
{
	expect(program, BPF_B, 14, 0, 0x45);                /* no options */
	expect(program, BPF_H, 20, htons(0x3fff), 0);       /* no fragment */
	expect(program, BPF_B, 23, 0, IPPROTO_UDP);
	constant(program, 0, 0);
	constant(program, 4, 0);
	constant(program, 8, htonl(0x0000ffff));
	copy(program, BPF_W, 30, 12);
	copy(program, BPF_H, 36, 16);
	put(program, BPF_JMP | BPF_JA, 0, 0, TO_FIND, 0);
}

static void
write_ipv6(struct program *program)
{
	label(program, TO_IPV6);
	need(program, 62);
	expect(program, BPF_B, 14, 0xf0, 0x60);
	expect(program, BPF_B, 20, 0, IPPROTO_UDP);         /* no extension header */
	for (int i = 0; i < 4; i++)
		copy(program, BPF_W, 38 + 4 * i, 4 * i);
	copy(program, BPF_H, 56, 16);
}

static void
write_end(struct program *program, int keys, int sockets)
{
	label(program, TO_FIND);
	set_map(program, BPF_REG_1, keys);
	move(program, BPF_REG_2, BPF_REG_10);
	put(program, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, KEY_AT);
	put(program, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, TO_PASS, 0);
	load(program, BPF_W, BPF_REG_2, BPF_REG_6, offsetof(struct xdp_md, rx_queue_index));
	set_map(program, BPF_REG_1, sockets);
	set(program, BPF_REG_3, XDP_PASS);                  /* where that queue has no socket */
	put(program, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
	put(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	label(program, TO_PASS);
	set(program, BPF_REG_0, XDP_PASS);
	put(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int
load_program(const struct xdp_filter *filter, const uint8_t mac[6])
{
	struct program program = {.count = 0};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);

	write_start(&program, mac);
	write_ipv4(&program);
	write_ipv6(&program);
	write_end(&program, filter->keys, filter->sockets);
	return bpf_prog_load(BPF_PROG_TYPE_XDP, "zonegate", "MPL-2.0", program.code, (size_t)program.count, &options);
}

/* ---- open and close ---- */

static enum status
fail(char *reason, const char *what, int error)
{
	const char *hint = error == EPERM || error == EACCES ? XDP_NO_RIGHTS
			   : error == EBUSY || error == EEXIST ? "; another XDP program is there"
							       : "";

	return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "%s: %s%s", what, strerror(error), hint);
}

static int
attach(const struct xdp_filter *filter, unsigned interface, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);

	return bpf_link_create(filter->program, (int)interface, BPF_XDP, &options);
}

static enum status
attach_mode(struct xdp_filter *filter, const struct xdp_filter_settings *settings, bool *native, char *reason)
{
	*native = settings->mode != XDP_MODE_GENERIC;
	filter->link = attach(filter, settings->interface, *native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	/* EBUSY is not the driver's: who is there is there in both modes. */
	if (filter->link < 0 && settings->mode == XDP_MODE_AUTO && filter->link != -EBUSY && filter->link != -EPERM) {
		*native = false;
		filter->link = attach(filter, settings->interface, XDP_FLAGS_SKB_MODE);
	}
	if (filter->link >= 0)
		return STATUS_OK;
	return fail(reason, *native ? "native XDP" : "generic XDP", -filter->link);
}

static enum status
fill_keys(const struct xdp_filter *filter, const struct xdp_filter_settings *settings, char *reason)
{
	uint8_t present = 1;

	for (size_t i = 0; i < settings->key_count; i++)
		if (bpf_map_update_elem(filter->keys, &settings->keys[i], &present, BPF_ANY) != 0)
			return fail(reason, "BPF map", errno);
	return STATUS_OK;
}

static enum status
open_parts(struct xdp_filter *filter, const struct xdp_filter_settings *settings, bool *native, char *reason)
{
	filter->keys = bpf_map_create(BPF_MAP_TYPE_HASH, "zonegate_keys", sizeof(struct xdp_filter_key), 1,
				      (uint32_t)settings->key_count + 1, NULL);
	filter->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "zonegate_xsks", sizeof(uint32_t), sizeof(int),
					 settings->queues, NULL);
	if (filter->keys < 0 || filter->sockets < 0)
		return fail(reason, "BPF map", filter->keys < 0 ? -filter->keys : -filter->sockets);
	enum status status = fill_keys(filter, settings, reason);
	if (status != STATUS_OK)
		return status;
	filter->program = load_program(filter, settings->mac);
	if (filter->program < 0)
		return fail(reason, "BPF program", -filter->program);
	return attach_mode(filter, settings, native, reason);
}

enum status
xdp_filter_open(const struct xdp_filter_settings *settings, struct xdp_filter **filter, bool *native, char *reason)
{
	struct xdp_filter *opened = malloc(sizeof *opened);

	if (opened == NULL)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_NO_MEMORY, "out of memory");
	*opened = (struct xdp_filter){-1, -1, -1, -1};
	enum status status = open_parts(opened, settings, native, reason);
	if (status == STATUS_OK)
		*filter = opened;
	else
		xdp_filter_close(opened);
	return status;
}

void
xdp_filter_close(struct xdp_filter *filter)
{
	if (filter == NULL)
		return;
	const int fds[] = {filter->link, filter->program, filter->sockets, filter->keys};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(filter);
}

bool
xdp_filter_take(struct xdp_filter *filter, unsigned queue, int fd)
{
	return bpf_map_update_elem(filter->sockets, &queue, &fd, BPF_ANY) == 0;
}
