#include "proxy/operator.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PASTE_LIMIT (1024 * 1024)

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* Without SA_RESTART: what waits returns. */
static void signals_catch(struct sigaction saved[2])
{
	struct sigaction action = {.sa_handler = on_signal};
	interrupted = 0;
	sigaction(SIGINT, &action, &saved[0]);
	sigaction(SIGTERM, &action, &saved[1]);
}

static void signals_restore(const struct sigaction saved[2])
{
	sigaction(SIGINT, &saved[0], NULL);
	sigaction(SIGTERM, &saved[1], NULL);
}

static int fail(struct pki_error *error, const char *what, const char *option)
{
	if (option)
		snprintf(error->text, sizeof error->text,
			"there is no terminal to ask \"%.200s\" on; answer it with %s", what,
			option);
	else
		snprintf(error->text, sizeof error->text, "%s", what);
	return -1;
}

static bool has_terminal(void)
{
	return isatty(STDIN_FILENO) == 1;
}

/* ---- saying and asking ----------------------------------------------------------------- */

static void say(void *context, const char *text)
{
	(void)context;
	puts(text);
	fflush(stdout);
}

/* A line from the terminal without its end; NULL at its end. The caller frees it. */
static char *line_read(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = getline(&line, &size, stdin);
	if (len < 0) {
		free(line);
		return NULL;
	}
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	return line;
}

/* "yes", "y", "no", "n"; -1 for anything else. */
static int answer_parse(const char *line)
{
	if (strcasecmp(line, "yes") == 0 || strcasecmp(line, "y") == 0)
		return 1;
	return strcasecmp(line, "no") == 0 || strcasecmp(line, "n") == 0 ? 0 : -1;
}

static int confirm(void *context, const char *question, const char *option, struct pki_error *error)
{
	(void)context;
	if (!has_terminal())
		return fail(error, question, option);
	for (;;) {
		fprintf(stderr, "%s [yes/no]: ", question);
		char *line = line_read();
		if (!line)
			return fail(error, "the question was not answered", NULL);
		int answer = answer_parse(line);
		free(line);
		if (answer >= 0)
			return answer;
		fputs("% Please answer 'yes' or 'no'.\n", stderr);
	}
}

static int ask_text(
	void *context, const char *prompt, const char *option, char **out, struct pki_error *error)
{
	(void)context;
	if (!has_terminal())
		return fail(error, prompt, option);
	fprintf(stderr, "%s: ", prompt);
	*out = line_read();
	return *out ? 0 : fail(error, "the question was not answered", NULL);
}

/* ---- secrets --------------------------------------------------------------------------- */

/*
 * Byte by byte, so that none stays in a buffer of stdio. 0, or -1 with errno. Whatever uses a
 * password ends it at a NUL: of one in UTF-16 a single letter would be left.
 */
static int secret_read(int fd, struct pki_secret *out)
{
	char byte = '\0';
	out->len = 0;
	for (;;) {
		ssize_t got = read(fd, &byte, 1);
		if (got < 0)
			return -1;
		if (got == 0 || byte == '\n')
			break;
		if (out->len == sizeof out->text - 1 || byte == '\0') {
			errno = byte ? E2BIG : EILSEQ;
			return -1;
		}
		out->text[out->len++] = byte;
	}
	out->text[out->len] = '\0';
	return 0;
}

static const char *secret_fault(int why)
{
	if (why == E2BIG)
		return "the password is too long";
	if (why == EILSEQ)
		return "the password has a zero byte in it; write it in ASCII or UTF-8";
	return why == EINTR ? "interrupted" : strerror(why);
}

static int ask_secret(void *context, const char *prompt, const char *option, struct pki_secret *out,
	struct pki_error *error)
{
	struct sigaction saved[2];
	struct termios before, quiet;
	(void)context;
	if (!has_terminal() || tcgetattr(STDIN_FILENO, &before))
		return fail(error, prompt, option);
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	signals_catch(saved);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	/* Only now: what is typed on sight of it must be neither shown nor flushed. */
	fputs(prompt, stderr);
	int result = secret_read(STDIN_FILENO, out);
	int why = errno;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	signals_restore(saved);
	fputs("\n", stderr);
	if (result == 0)
		return 0;
	pki_secret_wipe(out);
	return fail(error, secret_fault(why), NULL);
}

int operator_read_password(const char *path, struct pki_secret *out, struct pki_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int result = fd < 0 ? -1 : secret_read(fd, out);
	if (result)
		snprintf(error->text, sizeof error->text, "%s: %s", path, secret_fault(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

/* ---- pasting ---------------------------------------------------------------------------- */

static bool is_blank(const char *line)
{
	return line[strspn(line, " \t\r\n")] == '\0';
}

static bool is_quit(const char *line)
{
	size_t len = strcspn(line, " \t\r\n");
	return len == 4 && strncasecmp(line, "quit", 4) == 0 && is_blank(line + len);
}

/* From a terminal a blank line ends it; a file in its place may have some between. */
static int paste_read(FILE *to)
{
	char *line = NULL;
	size_t size = 0, total = 0;
	ssize_t len;
	bool terminal = has_terminal();
	while ((len = getline(&line, &size, stdin)) >= 0 && !is_quit(line)) {
		if (terminal && total > 0 && is_blank(line))
			break;
		if (is_blank(line))
			continue;
		total += (size_t)len;
		if (total > PASTE_LIMIT || fwrite(line, 1, (size_t)len, to) != (size_t)len)
			break;
	}
	if (line)
		OPENSSL_cleanse(line, size);
	free(line);
	return total > PASTE_LIMIT ? -1 : 0;
}

static int read_paste(
	void *context, const char *prompt, char **out, size_t *len, struct pki_error *error)
{
	(void)context;
	if (has_terminal())
		fprintf(stderr, "%s\n\n", prompt);
	FILE *to = open_memstream(out, len);
	if (!to)
		return fail(error, "out of memory", NULL);
	int result = paste_read(to);
	if (fclose(to) == 0 && result == 0)
		return 0;
	free(*out);
	*out = NULL;
	return fail(error, "more was pasted than any certificate has", NULL);
}

/* ---- waiting ----------------------------------------------------------------------------- */

static bool wait_for(void *context, unsigned seconds)
{
	struct sigaction saved[2];
	struct timespec rest = {.tv_sec = seconds};
	(void)context;
	signals_catch(saved);
	while (!interrupted && nanosleep(&rest, &rest) && errno == EINTR)
		;
	signals_restore(saved);
	return !interrupted;
}

const struct pki_interaction operator_interaction = {
	.say = say,
	.confirm = confirm,
	.ask_secret = ask_secret,
	.ask_text = ask_text,
	.read_paste = read_paste,
	.wait = wait_for,
};
