/* The parts of proxy/ that need no worker: states, buffers, pipes, timers, ring, text. */
#include "proxy/buf.h"
#include "proxy/conn_state.h"
#include "proxy/log.h"
#include "proxy/pace.h"
#include "proxy/pipe_pool.h"
#include "proxy/plain_http.h"
#include "proxy/ring.h"
#include "proxy/stats.h"
#include "proxy/timer.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- states ------------------------------------------------------------------- */

static void mark_reachable(enum conn_state state, bool reached[CONN_STATES])
{
	if (reached[state])
		return;
	reached[state] = true;
	for (int event = 0; event < CONN_EVENTS; event++) {
		enum conn_state next = conn_next(state, (enum conn_event)event);
		if (next != CONN_INVALID)
			mark_reachable(next, reached);
	}
}

static void test_every_state_is_reachable(void)
{
	bool reached[CONN_STATES] = {false};
	mark_reachable(CONN_HANDSHAKE, reached);
	for (int state = 0; state < CONN_STATES; state++)
		CU_ASSERT_TRUE(reached[state]);
}

static void test_every_state_can_close(void)
{
	for (int state = 0; state < CONN_CLOSED; state++) {
		bool reached[CONN_STATES] = {false};
		mark_reachable((enum conn_state)state, reached);
		CU_ASSERT_TRUE(reached[CONN_CLOSED]);
		CU_ASSERT_EQUAL(conn_next((enum conn_state)state, CONN_EVENT_ABORT), CONN_CLOSED);
	}
}

static void test_nothing_leaves_closed(void)
{
	for (int event = 0; event < CONN_EVENTS; event++)
		CU_ASSERT_EQUAL(conn_next(CONN_CLOSED, (enum conn_event)event), CONN_INVALID);
}

static void test_states_only_move_forward(void)
{
	/* UP_ONLY and DOWN_ONLY exclude each other: neither leads to the other. */
	for (int state = 0; state < CONN_STATES; state++)
		for (int event = 0; event < CONN_EVENTS; event++)
			CU_ASSERT_TRUE(conn_next((enum conn_state)state, (enum conn_event)event) >
				       (enum conn_state)state);
	for (int event = 0; event < CONN_EVENTS; event++)
		CU_ASSERT_NOT_EQUAL(
			conn_next(CONN_DOWN_ONLY, (enum conn_event)event), CONN_UP_ONLY);
}

static void test_no_relay_before_keys(void)
{
	CU_ASSERT_EQUAL(conn_next(CONN_HANDSHAKE, CONN_EVENT_CONNECTED), CONN_INVALID);
	CU_ASSERT_EQUAL(conn_next(CONN_OFFLOAD, CONN_EVENT_CONNECTED), CONN_INVALID);
}

static void test_every_name_is_there(void)
{
	for (int state = 0; state < CONN_STATES; state++)
		CU_ASSERT_PTR_NOT_NULL(conn_state_name((enum conn_state)state));
	for (int event = 0; event < CONN_EVENTS; event++)
		CU_ASSERT_PTR_NOT_NULL(conn_event_name((enum conn_event)event));
}

/* ---- buffers --------------------------------------------------------------------- */

static void test_pool_reuses_and_bounds(void)
{
	struct buf_pool pool = {.keep_max = 2};
	struct buf *bufs[4];
	for (int i = 0; i < 4; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(bufs[i] = buf_new(&pool));
	CU_ASSERT_EQUAL(pool.in_use, 4);
	for (int i = 0; i < 4; i++)
		buf_free(&pool, bufs[i]);
	CU_ASSERT_EQUAL(pool.in_use, 0);
	CU_ASSERT_EQUAL(pool.free_count, 2);
	CU_ASSERT_PTR_EQUAL(buf_new(&pool), bufs[1]); /* the hottest one */
	CU_ASSERT_EQUAL(pool.free_count, 1);
	buf_free(&pool, bufs[1]);
	buf_pool_done(&pool);
	CU_ASSERT_EQUAL(pool.free_count, 0);
}

static void test_queue_keeps_bytes_in_order(void)
{
	struct buf_pool pool = {.keep_max = 8};
	struct buf_queue queue = {NULL, NULL, 0};
	uint8_t *data = malloc(3 * BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	for (size_t i = 0; i < 3 * BUF_SIZE; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	size_t put = 0, taken = 0;
	while (taken < 3 * BUF_SIZE) {
		size_t n = 1 + put % 5000;
		if (n > 3 * BUF_SIZE - put)
			n = 3 * BUF_SIZE - put;
		CU_ASSERT_EQUAL(buf_queue_append(&queue, &pool, data + put, n), 0);
		put += n;
		size_t first = buf_len(queue.head);
		size_t take = queue.bytes < 4321 ? queue.bytes : 4321;
		size_t compare = first < take ? first : take;
		CU_ASSERT_EQUAL(
			memcmp(queue.head->data + queue.head->start, data + taken, compare), 0);
		buf_queue_consume(&queue, &pool, take);
		taken += take;
		CU_ASSERT_EQUAL(queue.bytes, put - taken);
	}
	CU_ASSERT_PTR_NULL(queue.head);
	CU_ASSERT_EQUAL(pool.in_use, 0);
	buf_pool_done(&pool);
	free(data);
}

static void test_queue_pop_and_clear(void)
{
	struct buf_pool pool = {.keep_max = 8};
	struct buf_queue queue = {NULL, NULL, 0};
	uint8_t byte = 7;
	CU_ASSERT_PTR_NULL(buf_queue_pop(&queue));
	for (int i = 0; i < 3; i++) {
		struct buf *buf = buf_new(&pool);
		buf->data[0] = byte;
		buf->end = 1;
		buf_queue_push(&queue, buf);
	}
	CU_ASSERT_EQUAL(queue.bytes, 3);
	buf_free(&pool, buf_queue_pop(&queue));
	CU_ASSERT_EQUAL(queue.bytes, 2);
	buf_queue_clear(&queue, &pool);
	CU_ASSERT_EQUAL(queue.bytes, 0);
	CU_ASSERT_EQUAL(pool.in_use, 0);
	buf_pool_done(&pool);
}

static void test_queue_joins_small_pieces(void)
{
	struct buf_pool pool = {.keep_max = 8};
	struct buf_queue queue = {NULL, NULL, 0};
	for (unsigned i = 0; i < 3 * BUF_SIZE; i++) {
		struct buf *buf = buf_new(&pool);
		CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
		buf->data[0] = (uint8_t)i;
		buf->end = 1;
		buf_queue_join(&queue, &pool, buf);
	}
	CU_ASSERT_EQUAL(queue.bytes, 3 * BUF_SIZE);
	CU_ASSERT_EQUAL(pool.in_use, 3); /* memory follows bytes, not pieces */
	for (unsigned i = 0; i < 3 * BUF_SIZE; i++) {
		CU_ASSERT_EQUAL(queue.head->data[queue.head->start], (uint8_t)i);
		buf_queue_consume(&queue, &pool, 1);
	}
	CU_ASSERT_EQUAL(pool.in_use, 0);
	buf_pool_done(&pool);
}

static struct buf *buf_of(struct buf_pool *pool, const char *text, size_t start)
{
	struct buf *buf = buf_new(pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	memcpy(buf->data, text, strlen(text));
	buf->start = (uint32_t)start;
	buf->end = (uint32_t)strlen(text);
	return buf;
}

static void test_stash_gives_back_what_it_took(void)
{
	struct buf_pool pool = {.keep_max = 8};
	struct stash stash = {NULL, 0};
	CU_ASSERT_TRUE(stash_put(&stash, &pool, buf_of(&pool, "xxGET /", 2)));
	CU_ASSERT_EQUAL(pool.in_use, 0); /* the buffer has become free */
	CU_ASSERT_EQUAL(stash.len, 5);
	struct buf *buf = stash_take(&stash, &pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	CU_ASSERT_PTR_NULL(stash.data);
	CU_ASSERT_EQUAL(buf->start, 0);
	CU_ASSERT_EQUAL(buf_len(buf), 5);
	CU_ASSERT_EQUAL(memcmp(buf->data, "GET /", 5), 0);
	CU_ASSERT_TRUE(stash_put(&stash, &pool, buf));
	stash_done(&stash);
	CU_ASSERT_PTR_NULL(stash.data);
	buf_pool_done(&pool);
}

static void test_stash_leaves_large_things_alone(void)
{
	struct buf_pool pool = {.keep_max = 8};
	struct stash stash = {NULL, 0};
	struct buf *buf = buf_new(&pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	memset(buf->data, 'x', BUF_SIZE);
	buf->end = BUF_SIZE / 2 + 1;
	CU_ASSERT_FALSE(stash_put(&stash, &pool, buf));
	CU_ASSERT_PTR_NULL(stash.data);
	CU_ASSERT_EQUAL(pool.in_use, 1);
	buf->start = 1;
	CU_ASSERT_TRUE(stash_put(&stash, &pool, buf));
	CU_ASSERT_EQUAL(stash.len, BUF_SIZE / 2);
	stash_done(&stash);
	buf_pool_done(&pool);
}

/* ---- pipes ------------------------------------------------------------------------ */

static void test_pipes_are_bounded_and_whole(void)
{
	struct pipe_pool pool = {.max = 3};
	struct pipe *pipes[3];
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(pipes[i] = pipe_lease(&pool));
		CU_ASSERT_TRUE(fcntl(pipes[i]->read_fd, F_GETPIPE_SZ) >= PIPE_SLOTS * 4096);
	}
	CU_ASSERT_PTR_NULL(pipe_lease(&pool));
	CU_ASSERT_EQUAL(pool.open, 3);
	pipe_return(&pool, pipes[0]);
	CU_ASSERT_PTR_EQUAL(pipe_lease(&pool), pipes[0]);
	for (int i = 0; i < 3; i++)
		pipe_return(&pool, pipes[i]);
	CU_ASSERT_EQUAL(pool.open, 3);
	pipe_pool_done(&pool);
	CU_ASSERT_EQUAL(pool.open, 0);
}

static void test_pipe_with_bytes_is_closed(void)
{
	struct pipe_pool pool = {.max = 1};
	struct pipe *pipe = pipe_lease(&pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	int fd = pipe->read_fd;
	pipe->bytes = 1;
	pipe_return(&pool, pipe);
	CU_ASSERT_EQUAL(pool.open, 0);
	CU_ASSERT_PTR_NULL(pool.free);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1);
	pipe_return(&pool, NULL);
}

/* ---- timers ------------------------------------------------------------------------- */

struct probe {
	struct timer timer; /* first: a timer is its probe */
	int64_t fired;      /* 0: not yet */
};

static int64_t fake_now;

static void on_fired(struct timer *timer)
{
	((struct probe *)timer)->fired = fake_now;
}

static void run_until(struct timer_wheel *wheel, int64_t end)
{
	while (fake_now < end) {
		fake_now += 10;
		timer_wheel_turn(wheel, fake_now);
	}
}

static void test_timers_fire_in_time(void)
{
	static const int64_t delays[] = {1, 99, 100, 101, 5000, 51200, 60000, 180000};
	struct probe probes[8] = {0};
	struct timer_wheel wheel;
	fake_now = 1000000;
	timer_wheel_init(&wheel, fake_now);
	CU_ASSERT_EQUAL(timer_wheel_wait(&wheel, fake_now), -1);
	for (int i = 0; i < 8; i++) {
		probes[i].timer.expired = on_fired;
		timer_set(&wheel, &probes[i].timer, fake_now + delays[i]);
	}
	CU_ASSERT_TRUE(timer_wheel_wait(&wheel, fake_now) <= TIMER_TICK_MS);
	int64_t start = fake_now;
	run_until(&wheel, start + 200000);
	for (int i = 0; i < 8; i++) {
		CU_ASSERT_TRUE(probes[i].fired >= start + delays[i]);
		CU_ASSERT_TRUE(probes[i].fired <= start + delays[i] + 2 * TIMER_TICK_MS);
	}
	CU_ASSERT_EQUAL(wheel.count, 0);
}

static void test_timer_moves_and_clears(void)
{
	struct probe later = {0}, sooner = {0}, cleared = {0};
	struct timer_wheel wheel;
	fake_now = 5000000;
	timer_wheel_init(&wheel, fake_now);
	later.timer.expired = sooner.timer.expired = cleared.timer.expired = on_fired;
	int64_t start = fake_now;
	timer_set(&wheel, &later.timer, start + 1000);
	timer_set(&wheel, &sooner.timer, start + 100000);
	timer_set(&wheel, &cleared.timer, start + 500);
	timer_set(&wheel, &later.timer, start + 9000);
	timer_set(&wheel, &sooner.timer, start + 300);
	timer_clear(&wheel, &cleared.timer);
	timer_clear(&wheel, &cleared.timer);
	CU_ASSERT_EQUAL(wheel.count, 2);
	run_until(&wheel, start + 20000);
	CU_ASSERT_TRUE(later.fired >= start + 9000 && later.fired <= start + 9200);
	CU_ASSERT_TRUE(sooner.fired >= start + 300 && sooner.fired <= start + 500);
	CU_ASSERT_EQUAL(cleared.fired, 0);
}

static void test_timer_after_long_sleep(void)
{
	struct probe probe = {0};
	struct timer_wheel wheel;
	fake_now = 7000000;
	timer_wheel_init(&wheel, fake_now);
	probe.timer.expired = on_fired;
	timer_set(&wheel, &probe.timer, fake_now + 200);
	fake_now += 3600 * 1000;
	timer_wheel_turn(&wheel, fake_now);
	CU_ASSERT_EQUAL(probe.fired, fake_now);
}

/* ---- pace ------------------------------------------------------------------------------- */

#define MS INT64_C(1000000)

/* One window of turns that find `completions` each and last `turn` ns each. */
static void run_window(struct pace *pace, int64_t *now, unsigned completions, int64_t turn)
{
	for (unsigned i = 0; i < PACE_WINDOW; i++) {
		*now += turn;
		if (pace_turn(pace, completions))
			pace_decide(pace, *now);
	}
}

static void test_pace_wants_many_connections(void)
{
	struct pace pace = {.window_start = 1000 * MS};
	int64_t now = pace.window_start;
	run_window(&pace, &now, 1, 20000); /* one connection: 50 a millisecond */
	CU_ASSERT_FALSE(pace.on);
	run_window(&pace, &now, 2, 8000); /* many: 250 a millisecond */
	CU_ASSERT_TRUE(pace.on);
	run_window(&pace, &now, 20, 60000);
	CU_ASSERT_TRUE(pace.on);
}

static void test_pace_gives_up_and_retries(void)
{
	struct pace pace = {.window_start = 1000 * MS};
	int64_t now = pace.window_start;
	run_window(&pace, &now, 2, 8000);
	CU_ASSERT_TRUE(pace.on);
	run_window(&pace, &now, 5, 50000); /* waiting brings too few */
	CU_ASSERT_FALSE(pace.on);
	run_window(&pace, &now, 2, 8000);
	CU_ASSERT_FALSE(pace.on); /* not again so soon */
	now += 300 * MS;
	run_window(&pace, &now, 0, 1); /* ends the long window */
	run_window(&pace, &now, 2, 8000);
	CU_ASSERT_TRUE(pace.on);
}

/* ---- log, counters, plain HTTP ---------------------------------------------------------- */

static void test_log_quotes_what_peers_send(void)
{
	char out[64];
	CU_ASSERT_STRING_EQUAL(log_quote("plain", out, sizeof out), "plain");
	CU_ASSERT_STRING_EQUAL(log_quote("", out, sizeof out), "\"\"");
	CU_ASSERT_STRING_EQUAL(log_quote("two words", out, sizeof out), "\"two words\"");
	CU_ASSERT_STRING_EQUAL(log_quote("a\"b\\c", out, sizeof out), "\"a\\\"b\\\\c\"");
	CU_ASSERT_STRING_EQUAL(log_quote("x\n\x1b[0m", out, sizeof out), "\"x\\x0a\\x1b[0m\"");
	CU_ASSERT_STRING_EQUAL(log_quote("\xc3\xa9", out, sizeof out), "\"\\xc3\\xa9\"");
	char small[16];
	log_quote("a long value that does not fit", small, sizeof small);
	CU_ASSERT_TRUE(strlen(small) < sizeof small);
}

static void test_log_files_are_checked(void)
{
	char directory[] = "/tmp/ferrule-unit-XXXXXX", path[64];
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	CU_ASSERT_EQUAL(log_check_file(directory), 0);
	snprintf(path, sizeof path, "%s/log", directory);
	CU_ASSERT_EQUAL(log_check_file(path), 0);
	CU_ASSERT_EQUAL(access(path, F_OK), -1); /* nothing is made */
	snprintf(path, sizeof path, "%s/none/log", directory);
	CU_ASSERT_EQUAL(log_check_file(path), -ENOENT);
	rmdir(directory);
}

static void test_log_limit_counts(void)
{
	struct log_limit limit = {.burst = 3};
	unsigned suppressed = 99;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(log_limit_pass(&limit, 1000, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 0);
	for (int i = 0; i < 5; i++)
		CU_ASSERT_FALSE(log_limit_pass(&limit, 1999, &suppressed));
	CU_ASSERT_TRUE(log_limit_pass(&limit, 2000, &suppressed));
	CU_ASSERT_EQUAL(suppressed, 5);
}

static void test_stats_survive_their_worker(void)
{
	struct stats *stats = calloc(1, sizeof *stats);
	struct stats_server sum;
	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	stats->rows_used = 2;
	stats->rows[0].servers[3] = (struct stats_server){.open = 2, .accepted = 10, .refused = 1};
	stats->rows[1].servers[3] = (struct stats_server){.open = 5, .accepted = 20, .bytes_in = 7};
	CU_ASSERT_EQUAL(stats_open(stats, 3), 7);
	stats_retire(stats, 1);
	stats_sum(stats, 3, &sum);
	CU_ASSERT_EQUAL(sum.open, 2);
	CU_ASSERT_EQUAL(sum.accepted, 30);
	CU_ASSERT_EQUAL(sum.bytes_in, 7);
	CU_ASSERT_EQUAL(sum.refused, 1);
	free(stats);
}

static bool is_http(const char *text)
{
	return plain_http_is_request((const uint8_t *)text, strlen(text));
}

static void test_plain_http_is_told_from_tls(void)
{
	CU_ASSERT_TRUE(is_http("GET / HTTP/1.1\r\n"));
	CU_ASSERT_TRUE(is_http("POST"));
	CU_ASSERT_TRUE(is_http("G"));
	CU_ASSERT_FALSE(is_http("\x16\x03\x01"));
	CU_ASSERT_FALSE(is_http("GE\x01"));
	CU_ASSERT_FALSE(is_http(""));
	CU_ASSERT_FALSE(is_http("get / HTTP/1.1"));
}

static void reply_to(const char *request, char *out, size_t size)
{
	size_t n = plain_http_reply(-1, (const uint8_t *)request, strlen(request), out, size - 1);
	out[n] = '\0';
}

static void test_plain_http_names_the_url(void)
{
	char out[1024];
	reply_to("GET / HTTP/1.1\r\nHost: device.example:8443\r\n\r\n", out, sizeof out);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "HTTP/1.1 400 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "https://device.example:8443/"));
	reply_to("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", out, sizeof out);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "https://[::1]:8443/"));
	/* Nothing that a browser or a terminal could be led astray with comes back. */
	reply_to("GET / HTTP/1.1\r\nHost: a\"><script>\r\n\r\n", out, sizeof out);
	CU_ASSERT_PTR_NULL(strstr(out, "script"));
	const char *body = strstr(out, "\r\n\r\n");
	const char *length = strstr(out, "Content-Length: ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_PTR_NOT_NULL_FATAL(length);
	CU_ASSERT_EQUAL(strlen(body + 4), (size_t)atoi(length + 16));
}

/* ---- ring ------------------------------------------------------------------------ */

static unsigned rooms;

static void on_room(struct ring_op *op, const struct ring_result *result)
{
	(void)result;
	CU_ASSERT_FALSE(op->active);
	rooms++;
}

static void turn(struct ring *ring, unsigned turns)
{
	while (turns-- > 0 && rooms == 0) {
		CU_ASSERT_EQUAL(ring_wait(ring, 2), 0);
		ring_deliver(ring);
	}
}

/* io_uring's polls end for RDHUP, which a half-closed peer gives for ever. */
static void test_room_is_awaited_behind_the_peers_end(void)
{
	struct buf_pool pool = {.keep_max = 0};
	struct ring *ring = NULL;
	struct ring_op op = {.done = on_room};
	char bytes[4096] = "";
	int ends[2];
	CU_ASSERT_EQUAL_FATAL(ring_open(&ring, &pool, 8), 0);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	while (send(ends[0], bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
		;
	shutdown(ends[1], SHUT_WR);
	rooms = 0;
	ring_await_room(ring, &op, ends[0]);
	turn(ring, 10);
	CU_ASSERT_EQUAL(rooms, 0);
	CU_ASSERT_TRUE(op.active);
	while (read(ends[1], bytes, sizeof bytes) > 0)
		;
	turn(ring, 500);
	CU_ASSERT_EQUAL(rooms, 1);
	/* And the other way out. */
	rooms = 0;
	while (send(ends[0], bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
		;
	ring_await_room(ring, &op, ends[0]);
	turn(ring, 10);
	ring_cancel(ring, &op);
	turn(ring, 500);
	CU_ASSERT_EQUAL(rooms, 1);
	ring_close(ring);
	close(ends[0]);
	close(ends[1]);
	buf_pool_done(&pool);
}

static CU_TestInfo state_tests[] = {
	{"every state is reachable", test_every_state_is_reachable},
	{"every state can close", test_every_state_can_close},
	{"nothing leaves CLOSED", test_nothing_leaves_closed},
	{"states only move forward", test_states_only_move_forward},
	{"no relay before keys", test_no_relay_before_keys},
	{"every state and event has a name", test_every_name_is_there},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo memory_tests[] = {
	{"pool reuses and bounds", test_pool_reuses_and_bounds},
	{"queue keeps bytes in order", test_queue_keeps_bytes_in_order},
	{"queue pop and clear", test_queue_pop_and_clear},
	{"queue joins small pieces", test_queue_joins_small_pieces},
	{"stash gives back what it took", test_stash_gives_back_what_it_took},
	{"stash leaves large things alone", test_stash_leaves_large_things_alone},
	{"pipes are bounded and whole", test_pipes_are_bounded_and_whole},
	{"a pipe with bytes is closed", test_pipe_with_bytes_is_closed},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo timer_tests[] = {
	{"timers fire in time", test_timers_fire_in_time},
	{"a timer moves and clears", test_timer_moves_and_clears},
	{"a long sleep loses none", test_timer_after_long_sleep},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo pace_tests[] = {
	{"pacing wants many connections", test_pace_wants_many_connections},
	{"pacing gives up and retries", test_pace_gives_up_and_retries},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo ring_tests[] = {
	{"room is awaited behind the peer's end", test_room_is_awaited_behind_the_peers_end},
	CU_TEST_INFO_NULL,
};

static CU_TestInfo text_tests[] = {
	{"log quotes what peers send", test_log_quotes_what_peers_send},
	{"log files are checked", test_log_files_are_checked},
	{"log limit counts", test_log_limit_counts},
	{"counters survive their worker", test_stats_survive_their_worker},
	{"plain HTTP is told from TLS", test_plain_http_is_told_from_tls},
	{"plain HTTP is told the URL", test_plain_http_names_the_url},
	CU_TEST_INFO_NULL,
};

extern CU_SuiteInfo proxy_suites[];
CU_SuiteInfo proxy_suites[] = {
	{"connection states", NULL, NULL, NULL, NULL, state_tests},
	{"buffers and pipes", NULL, NULL, NULL, NULL, memory_tests},
	{"timers", NULL, NULL, NULL, NULL, timer_tests},
	{"pace", NULL, NULL, NULL, NULL, pace_tests},
	{"ring", NULL, NULL, NULL, NULL, ring_tests},
	{"log, counters, plain HTTP", NULL, NULL, NULL, NULL, text_tests},
	CU_SUITE_INFO_NULL,
};
