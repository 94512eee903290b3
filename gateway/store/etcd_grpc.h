/*
 * What etcd_client says in JSON, as etcd's gRPC has it: the same requests and answers cost etcd a fraction of what its
 * JSON gateway takes.
 *
 * Threads:   any; no state.
 * Memory:    texts and objects are given.
 * Errors:    false: not what the tables know, malformed, or no memory.
 * Limits:    messages of ETCD_GRPC_DEPTH levels.
 * Standards: gRPC over HTTP/2 (length-prefixed messages, not compressed), Protocol Buffers' wire format.
 */
#ifndef ZONEGATE_STORE_ETCD_GRPC_H
#define ZONEGATE_STORE_ETCD_GRPC_H

#include "store/etcd_client.h"

#define ETCD_GRPC_DEPTH 8

struct etcd_grpc_call;

/* By the path of the JSON gateway; NULL: that one is not spoken. */
const struct etcd_grpc_call *etcd_grpc_find(const char *path);
const char *etcd_grpc_path(const struct etcd_grpc_call *call);
/* A JSON body as a framed message; unknown members are an error. */
bool etcd_grpc_encode(const struct etcd_grpc_call *call, const char *body, size_t size, struct etcd_text *out);
/*
 * A framed answer as an object: members by the names of the JSON gateway, but numbers are numbers, and keys with their
 * values strings of octets for etcd_grpc_key_value: there may be a million. etcd_client_kv and etcd_client_number read
 * both forms.
 * NULL: malformed, or no memory.
 */
json_t *etcd_grpc_decode(const struct etcd_grpc_call *call, const char *bytes, size_t size);
/* kv: given. False: malformed, or no memory. */
bool etcd_grpc_key_value(const char *bytes, size_t size, struct etcd_kv *kv);

#endif
