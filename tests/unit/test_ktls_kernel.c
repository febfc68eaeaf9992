/*
 * The kernel engine. Natively against a fake kernel behind --wrap=setsockopt,
 * getsockopt, sendmsg and recvmsg, which stands aside unless a test arms it; and,
 * where there is kernel TLS, against the real one.
 */
#include "ktls/alert.h"
#include "ktls/kernel.h"
#include "tests/unit/ktls_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CUnit/CUnit.h>

/* ---- the fake kernel ------------------------------------------------------- */

#define FAKE_FD    1000 /* no descriptor: only the fake kernel may see it */
#define FAKE_CALLS 8

struct fake_record {
	int error; /* instead of the record */
	uint8_t type;
	const char *data;
	size_t len;
};

static struct {
	bool armed;
	int ulp, rx, tx; /* errno to answer with */
	int send_error;
	size_t installs;
	int options[FAKE_CALLS];
	uint8_t info[FAKE_CALLS][64];
	socklen_t info_len[FAKE_CALLS];
	char sent[64]; /* "21:1.0 " per control record: type and the last two bytes */
	const struct fake_record *incoming;
	uint64_t sequence; /* what getsockopt tells */
} fake;

static void fake_arm(void)
{
	memset(&fake, 0, sizeof fake);
	fake.armed = true;
}

static void fake_disarm(void)
{
	fake.armed = false;
}

static int answer(int error)
{
	errno = error;
	return error ? -1 : 0;
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (!fake.armed || fd != FAKE_FD)
		return __real_setsockopt(fd, level, name, value, len);
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return answer(fake.ulp);
	if (level != SOL_TLS || fake.installs == FAKE_CALLS || len > sizeof fake.info[0])
		return answer(ENOPROTOOPT);
	int error = name == TLS_TX ? fake.tx : fake.rx;
	if (error)
		return answer(error);
	fake.options[fake.installs] = name;
	memcpy(fake.info[fake.installs], value, len);
	fake.info_len[fake.installs++] = len;
	return 0;
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (!fake.armed || fd != FAKE_FD)
		return __real_getsockopt(fd, level, name, value, len);
	if (level == SOL_SOCKET && name == SO_ERROR)
		return 0;
	/* rec_seq is the last member of all three structures */
	for (int i = 0; i < 8; i++)
		((uint8_t *)value)[*len - 1 - (socklen_t)i] = (uint8_t)(fake.sequence >> 8 * i);
	return 0;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (!fake.armed || fd != FAKE_FD)
		return __real_sendmsg(fd, message, flags);
	if (fake.send_error)
		return answer(fake.send_error);
	const uint8_t *data = message->msg_iov[0].iov_base;
	size_t len = message->msg_iov[0].iov_len, at = strlen(fake.sent);
	snprintf(fake.sent + at, sizeof fake.sent - at, "%u:%u.%u ",
		*CMSG_DATA(CMSG_FIRSTHDR(message)), data[len - 2], data[len - 1]);
	return (ssize_t)len;
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	if (!fake.armed || fd != FAKE_FD)
		return __real_recvmsg(fd, message, flags);
	const struct fake_record *record = fake.incoming;
	if (!record)
		return answer(EAGAIN);
	if (record->error)
		return answer(record->error);
	size_t room = message->msg_iov[0].iov_len, n = record->len < room ? record->len : room;
	memcpy(message->msg_iov[0].iov_base, record->data, n);
	message->msg_controllen = record->type ? CMSG_SPACE(1) : 0;
	if (record->type) {
		struct cmsghdr *header = CMSG_FIRSTHDR(message);
		header->cmsg_level = SOL_TLS;
		header->cmsg_type = TLS_GET_RECORD_TYPE;
		header->cmsg_len = CMSG_LEN(1);
		*CMSG_DATA(header) = record->type;
	}
	fake.incoming = NULL;
	return (ssize_t)n;
}

/* ---- crypto_info ------------------------------------------------------------- */

struct layout {
	enum ktls_cipher cipher;
	uint8_t number;       /* TLS_CIPHER_* */
	size_t iv, key, salt; /* sizes, in the order of <linux/tls.h> */
};

static const struct layout layouts[] = {
	{KTLS_AES_128_GCM, 51, 8, 16, 4},
	{KTLS_AES_256_GCM, 52, 8, 32, 4},
	{KTLS_CHACHA20_POLY1305, 54, 12, 32, 0},
};

/* The bytes that <linux/tls.h> asks for, put together by hand; their number. */
static size_t expected_info(const struct layout *layout, enum ktls_version version,
	const struct ktls_keys *keys, uint8_t sequence, uint8_t *out)
{
	size_t at = 4;
	const uint8_t rec_seq[8] = {0, 0, 0, 0, 0, 0, 0, sequence};
	const uint8_t head[4] = {version == KTLS_TLS13 ? 4 : 3, 3, layout->number, 0};
	memcpy(out, head, sizeof head);
	bool is_explicit = version == KTLS_TLS12 && layout->salt;
	memcpy(out + at, is_explicit ? rec_seq : keys->iv + layout->salt, layout->iv);
	at += layout->iv;
	memcpy(out + at, keys->key, layout->key);
	at += layout->key;
	memcpy(out + at, keys->iv, layout->salt);
	at += layout->salt;
	memcpy(out + at, rec_seq, sizeof rec_seq);
	return at + sizeof rec_seq;
}

static void test_crypto_info(void)
{
	struct ktls_keys keys;
	for (size_t i = 0; i < sizeof keys.key; i++)
		keys.key[i] = (uint8_t)(0x80 + i);
	for (size_t i = 0; i < sizeof keys.iv; i++)
		keys.iv[i] = (uint8_t)(0x40 + i);
	for (size_t i = 0; i < 4 * sizeof layouts / sizeof *layouts; i++) {
		const struct layout *layout = &layouts[i / 4];
		enum ktls_version version = (enum ktls_version)(i % 2);
		enum ktls_direction direction = (enum ktls_direction)(i / 2 % 2);
		uint8_t expected[64];
		fake_arm();
		CU_ASSERT_EQUAL(
			ktls_kernel_install(FAKE_FD, direction, version, layout->cipher, &keys, 9),
			0);
		size_t len = expected_info(layout, version, &keys, 9, expected);
		CU_ASSERT_EQUAL(fake.options[0], direction == KTLS_TX ? TLS_TX : TLS_RX);
		CU_ASSERT_EQUAL(fake.info_len[0], len);
		CU_ASSERT_EQUAL(memcmp(fake.info[0], expected, len), 0);
	}
	fake_disarm();
}

static void test_sequence_read_back(void)
{
	for (int cipher = 0; cipher < KTLS_CIPHERS; cipher++) {
		uint64_t sequence = 0;
		fake_arm();
		fake.sequence = 0x0102030405060708;
		CU_ASSERT_EQUAL(ktls_kernel_sequence(FAKE_FD, KTLS_RX, KTLS_TLS13,
					(enum ktls_cipher)cipher, &sequence),
			0);
		CU_ASSERT_EQUAL(sequence, 0x0102030405060708);
	}
	fake_disarm();
}

/* ---- installation -------------------------------------------------------------- */

static const struct ktls_capabilities all_works = {.rekey = true, .splice_lossless = true};
static const struct ktls_capabilities no_rekey = {.rekey = false};
static const struct ktls_capabilities no_ulp = {.ulp = ENOENT};
static const struct ktls_capabilities no_splice = {.splice_rx = EIO};
static const struct ktls_capabilities no_receive = {
	.offload = {{{0, EINVAL}, {0, EINVAL}, {0, EINVAL}},
		{{0, EINVAL}, {0, EINVAL}, {0, EINVAL}}},
};

enum { A = KTLS_ENGINE_AEAD, K = KTLS_ENGINE_KERNEL };

struct install_case {
	enum ktls_offload offload;
	const struct ktls_capabilities *capabilities;
	int ulp, rx, tx; /* errno of the call that fails */
	enum ktls_status status;
	int tx_engine, rx_engine;
};

/* clang-format off */
static const struct install_case install_cases[] = {
	{KTLS_OFFLOAD_AUTO,     &all_works,  0, 0, 0, KTLS_DONE,   K, K},
	{KTLS_OFFLOAD_BOTH,     &all_works,  0, 0, 0, KTLS_DONE,   K, K},
	{KTLS_OFFLOAD_REQUIRED, &all_works,  0, 0, 0, KTLS_DONE,   K, K},
	{KTLS_OFFLOAD_TX,       &all_works,  0, 0, 0, KTLS_DONE,   K, A},
	{KTLS_OFFLOAD_OFF,      &all_works,  0, 0, 0, KTLS_DONE,   A, A},
	{KTLS_OFFLOAD_AUTO,     &no_ulp,     0, 0, 0, KTLS_DONE,   A, A},
	{KTLS_OFFLOAD_AUTO,     &no_splice,  0, 0, 0, KTLS_DONE,   K, A},
	{KTLS_OFFLOAD_AUTO,     &no_receive, 0, 0, 0, KTLS_DONE,   K, A},
	{KTLS_OFFLOAD_BOTH,     &no_receive, 0, 0, 0, KTLS_DONE,   A, A},
	{KTLS_OFFLOAD_REQUIRED, &no_splice,  0, 0, 0, KTLS_FAILED, A, A},
	{KTLS_OFFLOAD_AUTO,     &all_works,  ENOENT, 0, 0, KTLS_DONE,   A, A},
	{KTLS_OFFLOAD_REQUIRED, &all_works,  ENOENT, 0, 0, KTLS_FAILED, A, A},
	/* RX refused: the socket still passes raw bytes */
	{KTLS_OFFLOAD_AUTO,     &all_works,  0, ENOENT, 0, KTLS_DONE,   K, A},
	{KTLS_OFFLOAD_BOTH,     &all_works,  0, ENOENT, 0, KTLS_DONE,   A, A},
	{KTLS_OFFLOAD_REQUIRED, &all_works,  0, ENOENT, 0, KTLS_FAILED, A, A},
	{KTLS_OFFLOAD_AUTO,     &all_works,  0, ENOENT, EINVAL, KTLS_DONE, A, A},
	{KTLS_OFFLOAD_TX,       &all_works,  0, 0, EINVAL, KTLS_DONE,   A, A},
	/* past the point of no return */
	{KTLS_OFFLOAD_AUTO,     &all_works,  0, 0, EINVAL, KTLS_FAILED, A, K},
};
/* clang-format on */

static struct pair_options offload_options(enum ktls_version version, enum ktls_cipher cipher,
	enum ktls_offload offload, const struct ktls_capabilities *capabilities)
{
	return (struct pair_options){
		.version = version,
		.suite = pair_suite(version, cipher),
		.offload = offload,
		.capabilities = capabilities,
		.fd = FAKE_FD,
	};
}

static void check_install(const struct install_case *c, enum ktls_version version)
{
	/* a server with "required" is not even made where the probe says no */
	bool is_refused = c->offload == KTLS_OFFLOAD_REQUIRED && c->capabilities == &no_splice;
	struct pair_options options = offload_options(version, KTLS_AES_128_GCM,
		is_refused ? KTLS_OFFLOAD_BOTH : c->offload, c->capabilities);
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	pair->server->offload = c->offload;
	fake_arm();
	fake.ulp = c->ulp;
	fake.rx = c->rx;
	fake.tx = c->tx;
	CU_ASSERT_EQUAL(ktls_offload_install(pair->session), c->status);
	fake_disarm();
	CU_ASSERT_EQUAL(
		ktls_session_engine(pair->session, KTLS_TX), (enum ktls_engine)c->tx_engine);
	CU_ASSERT_EQUAL(
		ktls_session_engine(pair->session, KTLS_RX), (enum ktls_engine)c->rx_engine);
	bool says_why = *ktls_session_reason(pair->session) || *ktls_session_error(pair->session);
	CU_ASSERT_EQUAL(says_why, c->tx_engine == A || c->rx_engine == A);
	CU_ASSERT_EQUAL(*ktls_session_error(pair->session) != 0, c->status == KTLS_FAILED);
	/* what stays in user space goes on there */
	if (c->status == KTLS_DONE && c->tx_engine == A)
		CU_ASSERT(pair_seal_matches(pair, "still here", 10));
	if (c->status == KTLS_DONE && c->rx_engine == A)
		CU_ASSERT(pair_write(pair, "still", 5) && pair_open(pair) == KTLS_WANT_READ &&
			  pair->plain_len == 5);
	pair_free(pair);
}

static void test_install(void)
{
	for (size_t i = 0; i < sizeof install_cases / sizeof *install_cases; i++) {
		check_install(&install_cases[i], KTLS_TLS12);
		check_install(&install_cases[i], KTLS_TLS13);
	}
}

/* Keys and sequence numbers handed over are those of records already crossed. */
static void test_install_hands_over(void)
{
	struct pair_options options =
		offload_options(KTLS_TLS12, KTLS_AES_256_GCM, KTLS_OFFLOAD_AUTO, &all_works);
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	const struct ktls_keys rx = pair->session->side[KTLS_RX].keys;
	uint8_t expected[64];
	CU_ASSERT(pair_write(pair, "a", 1) && pair_open(pair) == KTLS_WANT_READ);
	CU_ASSERT(pair_write(pair, "b", 1) && pair_open(pair) == KTLS_WANT_READ);
	fake_arm();
	CU_ASSERT_EQUAL(ktls_offload_install(pair->session), KTLS_DONE);
	fake_disarm();
	/* RX first; the Finished was record 0 */
	CU_ASSERT_EQUAL(fake.installs, 2);
	CU_ASSERT_EQUAL(fake.options[0], TLS_RX);
	size_t len = expected_info(&layouts[1], KTLS_TLS12, &rx, 3, expected);
	CU_ASSERT_EQUAL(memcmp(fake.info[0], expected, len), 0);
	CU_ASSERT_EQUAL(fake.info[1][fake.info_len[1] - 1], 1);
	/* the process keeps no key of TLS 1.2 */
	static const struct ktls_keys none;
	CU_ASSERT_EQUAL(memcmp(&pair->session->side[KTLS_RX].keys, &none, sizeof none), 0);
	pair_free(pair);
}

/* ---- control records through the fake kernel ----------------------------------------- */

/* A TLS 1.3 session with both directions in the fake kernel, which is armed. */
static struct pair *offloaded(const struct ktls_capabilities *capabilities, uint64_t record_limit)
{
	struct pair_options options =
		offload_options(KTLS_TLS13, KTLS_AES_128_GCM, KTLS_OFFLOAD_AUTO, capabilities);
	options.record_limit = record_limit;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	fake_arm();
	CU_ASSERT_EQUAL(ktls_offload_install(pair->session), KTLS_DONE);
	return pair;
}

static void finish(struct pair *pair)
{
	fake_disarm();
	pair_free(pair);
}

/* One ktls_recv() with that record waiting. */
static enum ktls_status receive(struct pair *pair, const struct fake_record *record)
{
	struct ktls_output out = {pair->plain, pair->plain_len, sizeof pair->plain};
	struct ktls_output none = {NULL, 0, 0};
	fake.incoming = record;
	enum ktls_status status = ktls_recv(pair->session, &out, &none);
	pair->plain_len = out.len;
	return status;
}

struct receive_case {
	struct fake_record record;
	enum ktls_status status;
	size_t plain;
	const char *sent;
};

/* clang-format off */
static const struct receive_case receive_cases[] = {
	{{0, 23, "hello", 5}, KTLS_DONE, 5, ""},
	{{0, 21, "\1\0", 2}, KTLS_CLOSED, 0, ""},
	{{0, 21, "\2\50", 2}, KTLS_FAILED, 0, ""},
	{{0, 21, "\1\x5a", 2}, KTLS_DONE, 0, ""},
	{{0, 22, "\x18\0\0\1\0", 5}, KTLS_DONE, 0, ""},
	{{0, 22, "\x18\0\0\1\1", 5}, KTLS_DONE, 0, "22:1.0 "},
	{{0, 22, "\1\0\0\0", 4}, KTLS_FAILED, 0, "21:2.10 "},
	{{0, 20, "\1", 1}, KTLS_FAILED, 0, "21:2.10 "},
	{{0, 0, "", 0}, KTLS_TRUNCATED, 0, ""},
	{{EAGAIN, 0, "", 0}, KTLS_WANT_READ, 0, ""},
	{{EKEYEXPIRED, 0, "", 0}, KTLS_WANT_READ, 0, ""},
	{{EBADMSG, 0, "", 0}, KTLS_FAILED, 0, "21:2.20 "},
	{{EMSGSIZE, 0, "", 0}, KTLS_FAILED, 0, "21:2.22 "},
	{{EINVAL, 0, "", 0}, KTLS_FAILED, 0, "21:2.70 "},
	{{ECONNRESET, 0, "", 0}, KTLS_FAILED, 0, ""},
};
/* clang-format on */

static void test_receive(void)
{
	for (size_t i = 0; i < sizeof receive_cases / sizeof *receive_cases; i++) {
		const struct receive_case *c = &receive_cases[i];
		struct pair *pair = offloaded(&all_works, 0);
		CU_ASSERT_EQUAL(receive(pair, &c->record), c->status);
		CU_ASSERT_EQUAL(pair->plain_len, c->plain);
		CU_ASSERT_STRING_EQUAL(fake.sent, c->sent);
		finish(pair);
	}
}

/* With no room recvmsg's 0 would look like the end of the stream. */
static void test_receive_without_room(void)
{
	struct pair *pair = offloaded(&all_works, 0);
	struct ktls_output out = {pair->plain, 100, 104}, none = {NULL, 0, 0};
	fake.incoming = &receive_cases[0].record;
	CU_ASSERT_EQUAL(ktls_recv(pair->session, &out, &none), KTLS_WANT_WRITE);
	CU_ASSERT_PTR_NOT_NULL(fake.incoming);
	finish(pair);
}

static const struct fake_record update = {0, 22, "\x18\0\0\1\0", 5};
static const struct fake_record update_request = {0, 22, "\x18\0\0\1\1", 5};

static void test_rekey(void)
{
	struct pair *pair = offloaded(&all_works, 0);
	CU_ASSERT_EQUAL(receive(pair, &update_request), KTLS_DONE);
	CU_ASSERT_EQUAL(fake.installs, 4);
	CU_ASSERT_EQUAL(fake.options[2], TLS_RX);
	CU_ASSERT_EQUAL(fake.options[3], TLS_TX);
	/* other keys than before, and numbers from 0 */
	CU_ASSERT_NOT_EQUAL(memcmp(fake.info[2], fake.info[0], fake.info_len[0]), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(fake.info[3], fake.info[1], fake.info_len[1]), 0);
	CU_ASSERT_EQUAL(memcmp(fake.info[3] + fake.info_len[3] - 8, "\0\0\0\0\0\0\0", 8), 0);
	finish(pair);
}

/* K5: before Linux 6.14 the connection ends, with an alert. */
static void test_no_rekey(void)
{
	struct pair *pair = offloaded(&no_rekey, 0);
	CU_ASSERT_EQUAL(receive(pair, &update), KTLS_FAILED);
	CU_ASSERT_STRING_EQUAL(fake.sent, "21:2.80 ");
	CU_ASSERT_EQUAL(fake.installs, 2);
	finish(pair);
}

/* The kernel changed its mind: alert, not silence. */
static void test_rekey_refused(void)
{
	struct pair *pair = offloaded(&all_works, 0);
	fake.rx = EBUSY;
	CU_ASSERT_EQUAL(receive(pair, &update), KTLS_FAILED);
	CU_ASSERT_STRING_EQUAL(fake.sent, "21:2.80 ");
	CU_ASSERT_PTR_NOT_NULL(strstr(ktls_session_error(pair->session), "KeyUpdate"));
	finish(pair);
}

static void test_full_socket(void)
{
	struct pair *pair = offloaded(&all_works, 0);
	struct ktls_output none = {NULL, 0, 0};
	fake.send_error = EAGAIN;
	CU_ASSERT_EQUAL(receive(pair, &update_request), KTLS_DONE);
	/* the old key until the KeyUpdate is out */
	CU_ASSERT_EQUAL(fake.installs, 3);
	CU_ASSERT_EQUAL(receive(pair, &update_request), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_flush(pair->session), KTLS_WANT_WRITE);
	fake.send_error = 0;
	CU_ASSERT_EQUAL(ktls_flush(pair->session), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_flush(pair->session), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "22:1.0 ");
	CU_ASSERT_EQUAL(fake.options[fake.installs - 1], TLS_TX);

	fake.send_error = EAGAIN;
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_WANT_WRITE);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_WANT_WRITE);
	fake.send_error = 0;
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "22:1.0 21:1.0 ");
	finish(pair);
}

/* RFC 8446 6.1: a KeyUpdate that had no room must not follow the close_notify. */
static void test_nothing_after_close_notify(void)
{
	struct pair *pair = offloaded(&all_works, 0);
	struct ktls_output none = {NULL, 0, 0};
	fake.send_error = EAGAIN;
	CU_ASSERT_EQUAL(receive(pair, &update_request), KTLS_DONE);
	fake.send_error = 0;
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_flush(pair->session), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "21:1.0 ");
	finish(pair);
}

/* The count is an upper bound; the kernel's own number decides. */
static void test_account(void)
{
	struct pair *pair = offloaded(&all_works, 1600);
	struct ktls_output none = {NULL, 0, 0};
	fake.sequence = 10;
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(ktls_account(pair->session, KTLS_TX, 60, &none), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "");
	fake.sequence = 1500;
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(ktls_account(pair->session, KTLS_TX, 60, &none), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "22:1.0 ");
	CU_ASSERT_EQUAL(fake.installs, 3);
	fake.sequence = 1500;
	CU_ASSERT_EQUAL(ktls_account(pair->session, KTLS_RX, 200, &none), KTLS_DONE);
	CU_ASSERT_STRING_EQUAL(fake.sent, "22:1.0 22:1.1 ");
	finish(pair);
}

/* ---- the real kernel -------------------------------------------------------------------- */

static struct ktls_capabilities real;

static bool has_kernel_tls(void)
{
	static bool is_probed;
	if (!is_probed)
		ktls_probe(&real);
	is_probed = true;
	if (real.ulp)
		printf("nothing to do, this kernel has no TLS: ");
	return real.ulp == 0;
}

/* The session's socket and the client's end of it. */
static void connect_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, size), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
	CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(connect(fds[1], (struct sockaddr *)&address, size), 0);
	fds[0] = accept(listener, NULL, NULL);
	CU_ASSERT_FATAL(fds[0] >= 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	close(listener);
}

static bool readable(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	return poll(&pollfd, 1, 2000) == 1;
}

static struct pair *real_pair(
	enum ktls_version version, enum ktls_cipher cipher, uint64_t record_limit, int fds[2])
{
	static struct ktls_tickets tickets = {.lifetime = 60};
	struct pair_options options =
		offload_options(version, cipher, KTLS_OFFLOAD_REQUIRED, &real);
	CU_ASSERT_EQUAL(ktls_tickets_rotate(&tickets), 0);
	connect_pair(fds);
	options.fd = fds[0];
	options.tickets = &tickets;
	options.record_limit = record_limit;
	struct pair *pair = pair_new(&options);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
	CU_ASSERT_EQUAL(ktls_offload_install(pair->session), KTLS_DONE);
	CU_ASSERT_EQUAL(ktls_session_engine(pair->session, KTLS_RX), KTLS_ENGINE_KERNEL);
	return pair;
}

static void real_finish(struct pair *pair, int fds[2])
{
	pair_free(pair);
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
}

/* The client's bytes go to the socket, what the session sent to the client. */
static void real_pump(struct pair *pair, int fd)
{
	uint8_t bytes[4096];
	ssize_t n;
	if (pair->input_len)
		CU_ASSERT_EQUAL(send(fd, pair->input, pair->input_len, MSG_NOSIGNAL),
			(ssize_t)pair->input_len);
	pair->input_len = 0;
	while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
		BIO_write(pair->to_client, bytes, (int)n);
}

/* One ktls_recv(), when something has come. */
static enum ktls_status real_receive(struct pair *pair, const int fds[2])
{
	struct ktls_output out = {pair->plain, pair->plain_len, sizeof pair->plain};
	struct ktls_output none = {NULL, 0, 0};
	CU_ASSERT(readable(fds[0]));
	enum ktls_status status = ktls_recv(pair->session, &out, &none);
	pair->plain_len = out.len;
	return status;
}

static bool real_data_crosses(struct pair *pair, const int fds[2], size_t len)
{
	uint8_t *data = malloc(len), *read = malloc(len);
	struct ktls_output none = {NULL, 0, 0};
	size_t have = 0, n = 0;
	memset(data, (int)len, len);
	pair->plain_len = 0;
	bool crosses = pair_write(pair, data, len);
	real_pump(pair, fds[1]);
	while (crosses && pair->plain_len < len)
		crosses = real_receive(pair, fds) == KTLS_DONE;
	crosses = crosses && memcmp(pair->plain, data, len) == 0;
	crosses = crosses && send(fds[0], data, len, MSG_NOSIGNAL) == (ssize_t)len &&
		  ktls_account(pair->session, KTLS_TX, len, &none) == KTLS_DONE;
	while (crosses && have < len) {
		crosses = readable(fds[1]);
		real_pump(pair, fds[1]);
		while (have < len && SSL_read_ex(pair->client, read + have, len - have, &n) == 1)
			have += n;
	}
	crosses = crosses && memcmp(read, data, len) == 0;
	free(data);
	free(read);
	return crosses;
}

static void check_real_session(enum ktls_version version, enum ktls_cipher cipher)
{
	static const size_t lengths[] = {1, 100, 16384, 16385, 30000};
	int fds[2];
	struct ktls_output none = {NULL, 0, 0};
	struct pair *pair = real_pair(version, cipher, 0, fds);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		CU_ASSERT(real_data_crosses(pair, fds, lengths[i]));
	CU_ASSERT_EQUAL(ktls_close_notify(pair->session, &none), KTLS_DONE);
	CU_ASSERT(readable(fds[1]));
	real_pump(pair, fds[1]);
	CU_ASSERT_EQUAL(pair_client_alert(pair), 0);
	SSL_shutdown(pair->client);
	CU_ASSERT(pair_write(pair, "", 0));
	real_pump(pair, fds[1]);
	CU_ASSERT_EQUAL(real_receive(pair, fds), KTLS_CLOSED);
	real_finish(pair, fds);
}

static void test_real_sessions(void)
{
	if (!has_kernel_tls())
		return;
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++)
		check_real_session((enum ktls_version)(i % 2), (enum ktls_cipher)(i / 2));
}

/* The alert has to get out although the kernel has put the error on the socket. */
static void test_real_bad_record(void)
{
	int fds[2];
	if (!has_kernel_tls())
		return;
	struct pair *pair = real_pair(KTLS_TLS13, KTLS_AES_128_GCM, 0, fds);
	CU_ASSERT(pair_write(pair, "spoiled", 7));
	pair->input[pair->input_len - 1] ^= 1;
	real_pump(pair, fds[1]);
	CU_ASSERT_EQUAL(real_receive(pair, fds), KTLS_FAILED);
	CU_ASSERT(readable(fds[1]));
	real_pump(pair, fds[1]);
	CU_ASSERT_EQUAL(pair_client_alert(pair), KTLS_ALERT_BAD_RECORD_MAC);
	real_finish(pair, fds);
}

static void test_real_truncation(void)
{
	int fds[2];
	if (!has_kernel_tls())
		return;
	struct pair *pair = real_pair(KTLS_TLS13, KTLS_AES_128_GCM, 0, fds);
	close(fds[1]);
	fds[1] = -1;
	CU_ASSERT_EQUAL(real_receive(pair, fds), KTLS_TRUNCATED);
	real_finish(pair, fds);
}

static void test_real_key_update(void)
{
	int fds[2];
	if (!has_kernel_tls())
		return;
	struct pair *pair = real_pair(KTLS_TLS13, KTLS_AES_256_GCM, 0, fds);
	for (int i = 0; i < 3; i++) {
		int kind = i % 2 ? SSL_KEY_UPDATE_NOT_REQUESTED : SSL_KEY_UPDATE_REQUESTED;
		CU_ASSERT_EQUAL(SSL_key_update(pair->client, kind), 1);
		bool crosses = real_data_crosses(pair, fds, 20000);
		CU_ASSERT_EQUAL(crosses, real.rekey);
		if (!real.rekey)
			break;
	}
	if (!real.rekey) {
		CU_ASSERT(readable(fds[1]));
		real_pump(pair, fds[1]);
		CU_ASSERT_EQUAL(pair_client_alert(pair), KTLS_ALERT_INTERNAL_ERROR);
	}
	real_finish(pair, fds);
}

/* K9 with the kernel's own count: new keys both ways, time and again. */
static void test_real_limit(void)
{
	int fds[2];
	if (!has_kernel_tls() || !real.rekey)
		return;
	struct pair *pair = real_pair(KTLS_TLS13, KTLS_AES_128_GCM, 64, fds);
	for (int i = 0; i < 300; i++)
		CU_ASSERT(real_data_crosses(pair, fds, 3));
	real_finish(pair, fds);
}

static CU_TestInfo fake_tests[] = {
	{"crypto_info", test_crypto_info},
	{"sequence read back", test_sequence_read_back},
	{"policies and refusals", test_install},
	{"keys handed over", test_install_hands_over},
	{"what a receive means", test_receive},
	{"receive without room", test_receive_without_room},
	{"new keys", test_rekey},
	{"no new keys before 6.14", test_no_rekey},
	{"new keys refused", test_rekey_refused},
	{"full socket", test_full_socket},
	{"nothing after close_notify", test_nothing_after_close_notify},
	{"records counted", test_account},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo real_tests[] = {
	{"kernel: sessions", test_real_sessions},
	{"kernel: bad record", test_real_bad_record},
	{"kernel: truncation", test_real_truncation},
	{"kernel: KeyUpdate", test_real_key_update},
	{"kernel: record limit", test_real_limit},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo ktls_kernel_suites[];
CU_SuiteInfo ktls_kernel_suites[] = {
	{"ktls fake kernel", NULL, NULL, NULL, NULL, fake_tests},
	{"ktls real kernel", NULL, NULL, NULL, NULL, real_tests},
	CU_SUITE_INFO_NULL,
};
