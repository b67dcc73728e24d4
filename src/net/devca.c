/* SPDX-License-Identifier: Apache-2.0 */
#include "net/devca.h"

#include "base/addr.h"
#include "base/mem.h"
#include "base/rand.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S (24 * 3600L)
#define CA_DAYS 3650
#define SERVER_DAYS 397
#define LEFT_DAYS 30
#define ERROR_MAX 256

/* A certificate and its key. */
struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

static void pair_done(struct pair *pair)
{
	X509_free(pair->cert);
	EVP_PKEY_free(pair->key);
	*pair = (struct pair){NULL, NULL};
}

/* Files */

static X509 *read_cert(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return cert;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return key;
}

static bool put_pems(FILE *file, const struct pair *pair, const struct pair *issuer, bool key)
{
	if (key)
		return PEM_write_PrivateKey(file, pair->key, NULL, NULL, 0, NULL, NULL) == 1;
	return PEM_write_X509(file, pair->cert) == 1 &&
	       (!issuer || PEM_write_X509(file, issuer->cert) == 1);
}

/* Written beside and renamed: a reader sees the old file or the new one. */
static int write_pem(const char *path, const struct pair *pair, const struct pair *issuer, bool key)
{
	CF_AUTOFREE char *temp = cf_asprintf("%s.%d.tmp", path, (int)getpid());
	FILE *file;
	int fd, ok;

	if (!temp)
		return CF_ENOMEM;
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, key ? 0600 : 0644);
	if (fd < 0)
		return cf_err_from_errno(errno);
	/* Clients of other accounts read certificates, whatever the umask. */
	file = key || fchmod(fd, 0644) == 0 ? fdopen(fd, "w") : NULL;
	if (!file) {
		close(fd);
		return CF_ENOMEM;
	}
	ok = put_pems(file, pair, issuer, key) && fflush(file) == 0 && fsync(fd) == 0;
	if (fclose(file) == 0 && ok && rename(temp, path) == 0)
		return 0;
	unlink(temp);
	return CF_EIO;
}

/* Certificates */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_serial(X509 *cert)
{
	uint8_t bytes[16];
	BIGNUM *bn;
	bool ok;

	cf_rand_bytes(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, RFC 5280 section 4.1.2.2 */
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok;
}

static bool set_basics(struct pair *pair, const char *name, long days, X509_NAME *issuer)
{
	X509_NAME *subject = X509_get_subject_name(pair->cert);

	return X509_set_version(pair->cert, 2) && set_serial(pair->cert) &&
	       X509_gmtime_adj(X509_getm_notBefore(pair->cert), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(pair->cert), days * DAY_S) &&
	       X509_NAME_add_entry_by_txt(
		       subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(pair->cert, issuer ? issuer : subject) &&
	       X509_set_pubkey(pair->cert, pair->key);
}

static int make_pair(struct pair *pair, const char *name, long days, X509_NAME *issuer)
{
	pair->key = EVP_EC_gen("P-256");
	pair->cert = X509_new();
	if (!pair->key || !pair->cert || !set_basics(pair, name, days, issuer))
		return CF_ECRYPTO;
	return 0;
}

static int make_ca(struct pair *ca)
{
	char name[64];

	/* A name of its own, so that the CAs of several folders can be trusted side by side. */
	snprintf(name, sizeof(name), "Callflow development CA %08x", cf_rand_u32());
	if (make_pair(ca, name, CA_DAYS, NULL) < 0 ||
		!add_extension(
			ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
		!add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
		!add_extension(ca->cert, ca->cert, NID_subject_key_identifier, "hash") ||
		!X509_sign(ca->cert, ca->key, EVP_sha256()))
		return CF_ECRYPTO;
	return 0;
}

static bool is_ip(const char *name)
{
	struct cf_addr addr;

	return cf_addr_parse(&addr, name, 0) == 0;
}

/* A stranger to the subjectAltName syntax ("a,DNS:b") must not get in. */
static bool is_name(const char *name)
{
	return *name && strlen(name) < 254 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-_*:%")] == 0 &&
	       (is_ip(name) || !strchr(name, ':'));
}

static char *alt_names(const char *const *names, size_t n_names)
{
	char *text = cf_strdup("DNS:localhost,IP:127.0.0.1,IP:::1");

	for (size_t i = 0; text && i < n_names; i++) {
		char *longer =
			cf_asprintf("%s,%s:%s", text, is_ip(names[i]) ? "IP" : "DNS", names[i]);

		cf_free(text);
		text = longer;
	}
	return text;
}

static int make_server(
	struct pair *server, const struct pair *ca, const char *const *names, size_t n_names)
{
	CF_AUTOFREE char *alt = alt_names(names, n_names);

	if (!alt)
		return CF_ENOMEM;
	if (make_pair(server, "callflowd", SERVER_DAYS, X509_get_subject_name(ca->cert)) < 0 ||
		!add_extension(
			server->cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") ||
		!add_extension(
			server->cert, ca->cert, NID_key_usage, "critical,digitalSignature") ||
		!add_extension(server->cert, ca->cert, NID_ext_key_usage, "serverAuth") ||
		!add_extension(server->cert, ca->cert, NID_subject_key_identifier, "hash") ||
		!add_extension(server->cert, ca->cert, NID_authority_key_identifier, "keyid") ||
		!add_extension(server->cert, ca->cert, NID_subject_alt_name, alt) ||
		!X509_sign(server->cert, ca->key, EVP_sha256()))
		return CF_ECRYPTO;
	return 0;
}

/* Checks of what is there */

static bool lasts(const X509 *cert)
{
	time_t soon = time(NULL) + LEFT_DAYS * DAY_S;

	return X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0;
}

static bool names_host(X509 *cert, const char *name)
{
	return is_ip(name) ? X509_check_ip_asc(cert, name, 0) == 1
			   : X509_check_host(cert, name, 0, 0, NULL) == 1;
}

static bool load_ca(struct pair *ca, const char *cert_file, const char *key_file)
{
	ca->cert = read_cert(cert_file);
	ca->key = read_key(key_file);
	return ca->cert && ca->key && lasts(ca->cert) &&
	       X509_check_private_key(ca->cert, ca->key) == 1;
}

static bool server_fits(const struct cf_devca *devca, const struct pair *ca,
	const char *const *names, size_t n_names)
{
	static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
	struct pair server = {read_cert(devca->cert_file), read_key(devca->key_file)};
	bool fits = server.cert && server.key && lasts(server.cert) &&
		    X509_check_private_key(server.cert, server.key) == 1 &&
		    X509_verify(server.cert, ca->key) == 1;

	for (size_t i = 0; fits && i < CF_ARRAY_LEN(always); i++)
		fits = names_host(server.cert, always[i]);
	for (size_t i = 0; fits && i < n_names; i++)
		fits = names_host(server.cert, names[i]);
	pair_done(&server);
	return fits;
}

/* The whole */

static int fail(char *error, int err, const char *what, const char *path)
{
	unsigned long code = ERR_peek_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	snprintf(error, ERROR_MAX, "%.32s %.140s: %.70s", what, path, why ? why : cf_err_text(err));
	ERR_clear_error();
	return err;
}

static int make_dirs(const char *dir)
{
	CF_AUTOFREE char *path = cf_strdup(dir);

	if (!path)
		return CF_ENOMEM;
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return cf_err_from_errno(errno);
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? cf_err_from_errno(errno) : 0;
}

static int ensure_ca(struct pair *ca, const char *cert_file, const char *key_file, char *error)
{
	int err;

	if (load_ca(ca, cert_file, key_file))
		return 0;
	pair_done(ca);
	ERR_clear_error();
	err = make_ca(ca);
	if (err)
		return fail(error, err, "making", cert_file);
	err = write_pem(key_file, ca, NULL, true);
	if (err)
		return fail(error, err, "writing", key_file);
	err = write_pem(cert_file, ca, NULL, false);
	return err ? fail(error, err, "writing", cert_file) : 0;
}

static int ensure_server(const struct cf_devca *devca, const struct pair *ca,
	const char *const *names, size_t n_names, char *error)
{
	struct pair server = {NULL, NULL};
	int err;

	if (server_fits(devca, ca, names, n_names))
		return 0;
	ERR_clear_error();
	err = make_server(&server, ca, names, n_names);
	if (err)
		fail(error, err, "making", devca->cert_file);
	if (!err && (err = write_pem(devca->key_file, &server, NULL, true)))
		fail(error, err, "writing", devca->key_file);
	if (!err && (err = write_pem(devca->cert_file, &server, ca, false)))
		fail(error, err, "writing", devca->cert_file);
	pair_done(&server);
	return err;
}

int cf_devca_ensure(struct cf_devca *ret_devca, const char *dir, const char *const *names,
	size_t n_names, char error[static 256])
{
	struct cf_devca devca;
	struct pair ca = {NULL, NULL};
	char ca_key[CF_DEVCA_PATH_MAX];
	int err;

	if (!*dir || strlen(dir) + 16 > CF_DEVCA_PATH_MAX)
		return fail(error, CF_EINVAL, "folder", dir);
	for (size_t i = 0; i < n_names; i++)
		if (!is_name(names[i]))
			return fail(error, CF_EINVAL, "name", names[i]);
	snprintf(devca.ca_file, sizeof(devca.ca_file), "%s/ca.pem", dir);
	snprintf(ca_key, sizeof(ca_key), "%s/ca.key", dir);
	snprintf(devca.cert_file, sizeof(devca.cert_file), "%s/server.pem", dir);
	snprintf(devca.key_file, sizeof(devca.key_file), "%s/server.key", dir);
	err = make_dirs(dir);
	if (err)
		return fail(error, err, "making", dir);
	err = ensure_ca(&ca, devca.ca_file, ca_key, error);
	if (!err)
		err = ensure_server(&devca, &ca, names, n_names, error);
	pair_done(&ca);
	if (!err)
		*ret_devca = devca;
	return err;
}
