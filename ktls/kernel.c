#include "ktls/kernel.h"

#include <errno.h>
#include <string.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

union crypto_info {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes_gcm_128;
	struct tls12_crypto_info_aes_gcm_256 aes_gcm_256;
	struct tls12_crypto_info_chacha20_poly1305 chacha20_poly1305;
};

int ktls_kernel_attach(int fd)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

static void put_sequence(uint8_t *out, uint64_t sequence)
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (uint8_t)sequence;
		sequence >>= 8;
	}
}

/*
 * The 8 bytes behind the salt: TLS 1.3 continues its IV there, TLS 1.2 wants the
 * first explicit nonce, for which the record's sequence number is as good as any
 * value that never repeats (RFC 5288 3).
 */
static void put_gcm_iv(
	uint8_t *out, enum ktls_version version, const struct ktls_keys *keys, uint64_t sequence)
{
	if (version == KTLS_TLS13)
		memcpy(out, keys->iv + 4, 8);
	else
		put_sequence(out, sequence);
}

static socklen_t fill(union crypto_info *crypto, enum ktls_version version, enum ktls_cipher cipher,
	const struct ktls_keys *keys, uint64_t sequence)
{
	memset(crypto, 0, sizeof *crypto);
	crypto->info.version = version == KTLS_TLS13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
	switch (cipher) {
	case KTLS_AES_128_GCM:
		crypto->info.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(crypto->aes_gcm_128.key, keys->key, 16);
		memcpy(crypto->aes_gcm_128.salt, keys->iv, 4);
		put_gcm_iv(crypto->aes_gcm_128.iv, version, keys, sequence);
		put_sequence(crypto->aes_gcm_128.rec_seq, sequence);
		return sizeof crypto->aes_gcm_128;
	case KTLS_AES_256_GCM:
		crypto->info.cipher_type = TLS_CIPHER_AES_GCM_256;
		memcpy(crypto->aes_gcm_256.key, keys->key, 32);
		memcpy(crypto->aes_gcm_256.salt, keys->iv, 4);
		put_gcm_iv(crypto->aes_gcm_256.iv, version, keys, sequence);
		put_sequence(crypto->aes_gcm_256.rec_seq, sequence);
		return sizeof crypto->aes_gcm_256;
	case KTLS_CHACHA20_POLY1305:
		crypto->info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(crypto->chacha20_poly1305.key, keys->key, 32);
		memcpy(crypto->chacha20_poly1305.iv, keys->iv, 12);
		put_sequence(crypto->chacha20_poly1305.rec_seq, sequence);
		return sizeof crypto->chacha20_poly1305;
	case KTLS_CIPHERS:
		break;
	}
	return 0;
}

static int option(enum ktls_direction direction)
{
	return direction == KTLS_TX ? TLS_TX : TLS_RX;
}

int ktls_kernel_install(int fd, enum ktls_direction direction, enum ktls_version version,
	enum ktls_cipher cipher, const struct ktls_keys *keys, uint64_t sequence)
{
	union crypto_info crypto;
	socklen_t size = fill(&crypto, version, cipher, keys, sequence);
	int result = setsockopt(fd, SOL_TLS, option(direction), &crypto, size) == 0 ? 0 : -errno;
	OPENSSL_cleanse(&crypto, sizeof crypto);
	return result;
}

int ktls_kernel_sequence(int fd, enum ktls_direction direction, enum ktls_version version,
	enum ktls_cipher cipher, uint64_t *sequence)
{
	union crypto_info crypto;
	struct ktls_keys none = {{0}, {0}};
	socklen_t size = fill(&crypto, version, cipher, &none, 0);
	if (getsockopt(fd, SOL_TLS, option(direction), &crypto, &size) < 0)
		return -errno;
	const uint8_t *at = cipher == KTLS_AES_128_GCM   ? crypto.aes_gcm_128.rec_seq
			    : cipher == KTLS_AES_256_GCM ? crypto.aes_gcm_256.rec_seq
							 : crypto.chacha20_poly1305.rec_seq;
	*sequence = 0;
	for (int i = 0; i < 8; i++)
		*sequence = *sequence << 8 | at[i];
	OPENSSL_cleanse(&crypto, sizeof crypto);
	return 0;
}

/*
 * A refused record leaves its error on the socket (tls_err_abort), and the next
 * send would fail with it: our alert. Asking for the error takes it away.
 */
static void error_clear(int fd)
{
	int error;
	socklen_t size = sizeof error;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

ssize_t ktls_kernel_recv(int fd, void *buf, size_t size, uint8_t *type)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(uint8_t))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	ssize_t n;
	do
		n = recvmsg(fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		int error = errno;
		if (error == EBADMSG || error == EMSGSIZE || error == EINVAL)
			error_clear(fd);
		return -error;
	}
	*type = KTLS_RECORD_DATA;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_TLS && header->cmsg_type == TLS_GET_RECORD_TYPE)
		*type = *CMSG_DATA(header);
	else if (n == 0)
		*type = 0; /* the stream's end, not an empty record */
	return n;
}

int ktls_kernel_send(int fd, enum ktls_record_type type, const uint8_t *data, size_t len)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(uint8_t))];
	} control = {.space = {0}};
	uint8_t copy[8];
	if (len > sizeof copy)
		return -EMSGSIZE;
	memcpy(copy, data, len);
	struct iovec iov = {.iov_base = copy, .iov_len = len};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_TLS;
	header->cmsg_type = TLS_SET_RECORD_TYPE;
	header->cmsg_len = CMSG_LEN(sizeof(uint8_t));
	*CMSG_DATA(header) = (uint8_t)type;
	ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EAGAIN;
}
