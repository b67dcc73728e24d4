/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of signed usage exports. First byte 's': what follows are the lines up to their last
 * member; they are chained and signed here, so that the order of rows is reached behind the
 * hashes. If such a file is good, any byte of it that changes has to be noticed. Else: file,
 * signature and keys as they come, a zero byte between, which nobody has signed.
 */
#include "auth/seal.h"
#include "base/buf.h"
#include "base/text.h"

#include <callflow/callflow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t KEY[CF_ED25519_KEY_LEN] = {7};

static int verify(const uint8_t *file, size_t n, const char *signature, const char *keys)
{
	char path[64], why[CALLFLOW_WHY_MAX] = "";
	int err, fd = memfd_create("export", MFD_CLOEXEC);

	if (fd < 0 || write(fd, file, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = callflow_usage_verify(path, signature, keys, why);
	close(fd);
	if (!*why || strlen(why) >= CALLFLOW_WHY_MAX)
		abort();
	return err;
}

/* The lines with their chain. */
static void chain(struct cf_buf *file, struct cf_seal *seal, const uint8_t *p, size_t n)
{
	if (cf_seal_begin(seal) < 0)
		abort();
	while (n > 0) {
		const uint8_t *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;
		char tail[CF_SEAL_TAIL_MAX];

		if (cf_seal_line(seal, cf_view_of(p, len), tail) < 0)
			abort();
		if (cf_buf_append(file, p, len) < 0 || cf_buf_append_str(file, tail) < 0 ||
			cf_buf_append_str(file, "\n") < 0)
			abort();
		p += len + (end ? 1 : 0);
		n -= len + (end ? 1 : 0);
	}
}

static void sign(const struct cf_seal *seal, char *signature, char *keys, size_t cap)
{
	uint8_t public_key[CF_ED25519_KEY_LEN], bytes[CF_ED25519_SIGNATURE_LEN];
	char id[CF_SEAL_KEY_ID_MAX], x[CF_BASE64_LEN(CF_ED25519_KEY_LEN)],
		text[CF_BASE64_LEN(CF_ED25519_SIGNATURE_LEN)];

	if (cf_crypto_ed25519_public(public_key, KEY) < 0 || cf_seal_key_id(id, public_key) < 0 ||
		cf_seal_sign(seal, KEY, bytes) < 0)
		abort();
	cf_base64_encode(text, bytes, sizeof(bytes));
	cf_base64url_encode(x, public_key, sizeof(public_key));
	snprintf(signature, cap, "{\"keyId\":\"%s\",\"signature\":\"%s\"}", id, text);
	snprintf(keys, cap, "{\"keys\":[{\"kid\":\"%s\",\"x\":\"%s\"}]}", id, x);
}

static void signed_file(const uint8_t *p, size_t n, size_t at)
{
	char signature[512], keys[512];
	struct cf_seal seal;
	struct cf_buf file;

	cf_buf_init(&file, TEXT_MAX * (CF_SEAL_TAIL_MAX + 2));
	chain(&file, &seal, p, n);
	sign(&seal, signature, keys, sizeof(keys));
	if (verify(file.p, file.len, signature, keys) == 0) {
		file.p[at % file.len] ^= 1;
		if (verify(file.p, file.len, signature, keys) == 0)
			abort();
		file.p[at % file.len] ^= 1;
		if (verify(file.p, file.len - 1, signature, keys) == 0)
			abort();
	}
	cf_buf_done(&file);
}

static void any_file(const uint8_t *p, size_t n)
{
	char *text = calloc(1, n + 3); /* three texts at least, some empty */
	const char *signature, *keys;

	if (!text)
		abort();
	memcpy(text, p, n);
	signature = text + strlen(text) + 1;
	keys = signature + strlen(signature) + 1;
	if (keys > text + n + 2)
		keys = text + n + 2;
	if (verify((const uint8_t *)text, strlen(text), signature, keys) == 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > TEXT_MAX)
		return 0;
	if (data[0] == 's')
		signed_file(data + 2, size - 2, (size_t)data[1] * 5);
	else
		any_file(data + 1, size - 1);
	return 0;
}
