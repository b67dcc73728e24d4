/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN messages (RFC 8489 sections 5, 6, 14): parse, look up attributes, check and write
 * MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. Knows nothing of transports, of
 * retransmission (stun/transaction.h) or of what a method means. Pure: bytes in, bytes out.
 */
#ifndef CF_STUN_MSG_H
#define CF_STUN_MSG_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_STUN_MAGIC 0x2112A442u
#define CF_STUN_HEADER_LEN 20
#define CF_STUN_TID_LEN 12
#define CF_STUN_MAX_ATTRS 96 /* enough for a CreatePermission with all peers that may be */
#define CF_STUN_MAX_LEN 2048 /* longest message that we write; on TCP also the longest accepted */

enum cf_stun_class {
	CF_STUN_REQUEST = 0,
	CF_STUN_INDICATION = 1,
	CF_STUN_SUCCESS = 2,
	CF_STUN_ERROR = 3,
};

enum cf_stun_method {
	CF_STUN_BINDING = 0x001,
	CF_TURN_ALLOCATE = 0x003,
	CF_TURN_REFRESH = 0x004,
	CF_TURN_SEND = 0x006,
	CF_TURN_DATA = 0x007,
	CF_TURN_CREATE_PERMISSION = 0x008,
	CF_TURN_CHANNEL_BIND = 0x009,
};

/* Attribute types: RFC 8489 section 18.3, RFC 8656 section 18, RFC 8445 section 20.1, RFC 5780. */
enum cf_stun_attr {
	CF_STUN_MAPPED_ADDRESS = 0x0001,
	CF_STUN_CHANGE_REQUEST = 0x0003,
	CF_STUN_USERNAME = 0x0006,
	CF_STUN_MESSAGE_INTEGRITY = 0x0008,
	CF_STUN_ERROR_CODE = 0x0009,
	CF_STUN_UNKNOWN_ATTRIBUTES = 0x000A,
	CF_TURN_CHANNEL_NUMBER = 0x000C,
	CF_TURN_LIFETIME = 0x000D,
	CF_TURN_XOR_PEER_ADDRESS = 0x0012,
	CF_TURN_DATA_ATTR = 0x0013,
	CF_STUN_REALM = 0x0014,
	CF_STUN_NONCE = 0x0015,
	CF_TURN_XOR_RELAYED_ADDRESS = 0x0016,
	CF_TURN_REQUESTED_ADDRESS_FAMILY = 0x0017,
	CF_TURN_EVEN_PORT = 0x0018,
	CF_TURN_REQUESTED_TRANSPORT = 0x0019,
	CF_TURN_DONT_FRAGMENT = 0x001A,
	CF_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001C,
	CF_STUN_PASSWORD_ALGORITHM = 0x001D,
	CF_STUN_USERHASH = 0x001E,
	CF_STUN_XOR_MAPPED_ADDRESS = 0x0020,
	CF_TURN_RESERVATION_TOKEN = 0x0022,
	CF_ICE_PRIORITY = 0x0024,
	CF_ICE_USE_CANDIDATE = 0x0025,
	CF_STUN_PADDING = 0x0026,
	CF_STUN_RESPONSE_PORT = 0x0027,
	CF_TURN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
	CF_TURN_ADDRESS_ERROR_CODE = 0x8001,
	CF_STUN_PASSWORD_ALGORITHMS = 0x8002,
	CF_STUN_ALTERNATE_DOMAIN = 0x8003,
	CF_TURN_ICMP = 0x8004,
	CF_STUN_SOFTWARE = 0x8022,
	CF_STUN_ALTERNATE_SERVER = 0x8023,
	CF_STUN_FINGERPRINT = 0x8028,
	CF_ICE_CONTROLLED = 0x8029,
	CF_ICE_CONTROLLING = 0x802A,
	CF_STUN_RESPONSE_ORIGIN = 0x802B,
	CF_STUN_OTHER_ADDRESS = 0x802C,
	CF_TURN_MOBILITY_TICKET = 0x8030, /* RFC 8016 */
};

struct cf_stun_attr_ref {
	uint16_t type;
	uint16_t len;    /* value without padding */
	uint16_t offset; /* of the value, from the start of the message */
};

/* A parsed message; borrows the packet's bytes for as long as it is used. */
struct cf_stun_msg {
	const uint8_t *raw;
	uint16_t raw_len; /* header and attributes */
	uint16_t method;
	enum cf_stun_class cls;
	uint8_t tid[CF_STUN_TID_LEN];
	uint16_t n_attrs;
	struct cf_stun_attr_ref attrs[CF_STUN_MAX_ATTRS];
};

/** Whether the bytes look like a STUN message (RFC 8489 section 6: two zero bits, cookie, length a
 * multiple of 4 that fits n). Cheap, for demultiplexing. */
bool cf_stun_is_msg(const uint8_t *p, size_t n);

/** Length of the message at the start of a stream (TCP, RFC 8489 section 6.2.2): 0 when more bytes
 * are needed to tell, CF_EBADMSG when this is no STUN message or one above CF_STUN_MAX_LEN. */
int cf_stun_frame_len(const uint8_t *p, size_t n);

/** Parses one whole message, n its exact length (borrows p). 0, CF_EBADMSG, or CF_ELIMIT: more than
 * CF_STUN_MAX_ATTRS attributes (what is in *ret_msg is then good for a refusal only). FINGERPRINT,
 * where present, must be the last attribute and right; attributes behind MESSAGE-INTEGRITY other
 * than MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are left out (section 14.5). */
CF_MUST_CHECK int cf_stun_msg_parse(struct cf_stun_msg *ret_msg, const uint8_t *p, size_t n);

/** First attribute of a type: true and its value (borrowed from the packet). */
bool cf_stun_msg_attr(const struct cf_stun_msg *msg, uint16_t type, struct cf_view *ret_value);
bool cf_stun_msg_has(const struct cf_stun_msg *msg, uint16_t type);

/** Typed values: 0, CF_ENOTFOUND when absent, CF_EBADMSG when malformed. */
CF_MUST_CHECK int cf_stun_msg_u32(
	const struct cf_stun_msg *msg, uint16_t type, uint32_t *ret_value);
CF_MUST_CHECK int cf_stun_msg_u64(
	const struct cf_stun_msg *msg, uint16_t type, uint64_t *ret_value);
/** Plain address (MAPPED-ADDRESS, ALTERNATE-SERVER, ...). */
CF_MUST_CHECK int cf_stun_msg_addr(
	const struct cf_stun_msg *msg, uint16_t type, struct cf_addr *ret_addr);
/** XORed address (XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS). */
CF_MUST_CHECK int cf_stun_msg_xor_addr(
	const struct cf_stun_msg *msg, uint16_t type, struct cf_addr *ret_addr);
/** The XORed address in this one attribute of msg, for those that come several times. */
CF_MUST_CHECK int cf_stun_attr_xor_addr(const struct cf_stun_msg *msg,
	const struct cf_stun_attr_ref *ref, struct cf_addr *ret_addr);
/** ERROR-CODE: the code 300..699 and its reason (borrowed; ret_reason may be NULL). */
CF_MUST_CHECK int cf_stun_msg_error(
	const struct cf_stun_msg *msg, uint16_t *ret_code, struct cf_view *ret_reason);

/** Comprehension-required attributes (type < 0x8000) that are not in known[]: fills at most cap
 * types, gives their number. */
size_t cf_stun_msg_unknown(const struct cf_stun_msg *msg, const uint16_t *known, size_t n_known,
	uint16_t *ret_types, size_t cap);

/** MESSAGE-INTEGRITY / -SHA256 under key: 0, CF_ENOTFOUND when absent, CF_EAUTH when wrong. */
CF_MUST_CHECK int cf_stun_msg_check_integrity(const struct cf_stun_msg *msg, struct cf_view key);
CF_MUST_CHECK int cf_stun_msg_check_integrity_sha256(
	const struct cf_stun_msg *msg, struct cf_view key);

/** Long-term key MD5(username ":" realm ":" password), RFC 8489 section 9.2.2. OpaqueString
 * preparation (RFC 8265) is the caller's. 0, CF_ELIMIT (texts too long) or CF_ECRYPTO. */
CF_MUST_CHECK int cf_stun_key_md5(uint8_t ret_key[static 16], struct cf_view user,
	struct cf_view realm, struct cf_view password);
/** The same with SHA-256 (PASSWORD-ALGORITHM 2). */
CF_MUST_CHECK int cf_stun_key_sha256(uint8_t ret_key[static 32], struct cf_view user,
	struct cf_view realm, struct cf_view password);

/** USERHASH, SHA-256(username ":" realm), RFC 8489 section 14.4. 0, CF_ELIMIT or CF_ECRYPTO. */
CF_MUST_CHECK int cf_stun_userhash(
	uint8_t ret_hash[static 32], struct cf_view user, struct cf_view realm);

/** The RFCs' own phrase for an error code; "Error" for one they do not name. Static storage. */
const char *cf_stun_error_phrase(uint16_t code);

/* Writing: begin, put attributes, integrity, fingerprint, done. Errors are sticky. */
struct cf_stun_writer {
	struct cf_wire_writer w;
	uint8_t tid[CF_STUN_TID_LEN];
};

void cf_stun_write_begin(struct cf_stun_writer *w, void *p, size_t cap, enum cf_stun_class cls,
	uint16_t method, const uint8_t tid[static CF_STUN_TID_LEN]);
void cf_stun_write_bytes(struct cf_stun_writer *w, uint16_t type, const void *p, size_t n);
void cf_stun_write_view(struct cf_stun_writer *w, uint16_t type, struct cf_view value);
void cf_stun_write_empty(struct cf_stun_writer *w, uint16_t type);
void cf_stun_write_u32(struct cf_stun_writer *w, uint16_t type, uint32_t v);
void cf_stun_write_u64(struct cf_stun_writer *w, uint16_t type, uint64_t v);
void cf_stun_write_addr(struct cf_stun_writer *w, uint16_t type, const struct cf_addr *addr);
void cf_stun_write_xor_addr(struct cf_stun_writer *w, uint16_t type, const struct cf_addr *addr);
/** ERROR-CODE; reason NULL: the RFC's own phrase for the code. */
void cf_stun_write_error(struct cf_stun_writer *w, uint16_t code, const char *reason);
void cf_stun_write_unknown(struct cf_stun_writer *w, const uint16_t *types, size_t n);
void cf_stun_write_integrity(struct cf_stun_writer *w, struct cf_view key);
void cf_stun_write_integrity_sha256(struct cf_stun_writer *w, struct cf_view key);
void cf_stun_write_fingerprint(struct cf_stun_writer *w);

/** Ends the message: its length, or CF_ENOSPC / CF_ECRYPTO. */
CF_MUST_CHECK int cf_stun_write_end(struct cf_stun_writer *w);

#endif
