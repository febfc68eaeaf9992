#include "tests/pki/terminal.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/process.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct terminal *terminal_start(const char *const *argv)
{
	struct terminal *terminal = calloc(1, sizeof(*terminal));
	struct winsize size = {.ws_row = 50, .ws_col = 200};

	if (terminal == NULL)
		return NULL;
	terminal->pid = forkpty(&terminal->fd, NULL, NULL, &size);
	if (terminal->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (EXPECT(terminal->pid > 0))
		return terminal;
	free(terminal);
	return NULL;
}

/* False at the end of what it shows, or when time is up. */
static bool read_more(struct terminal *terminal)
{
	struct pollfd waiting = {.fd = terminal->fd, .events = POLLIN};
	char data[1024];
	ssize_t got;

	if (poll(&waiting, 1, harness_remaining()) <= 0)
		return false;
	got = read(terminal->fd, data, sizeof(data));
	for (ssize_t i = 0; i < got; i++)
		if (data[i] != '\r' && data[i] != '\0' &&
			terminal->len < sizeof(terminal->text) - 1)
			terminal->text[terminal->len++] = data[i];
	terminal->text[terminal->len] = '\0';
	return got > 0;
}

bool terminal_wait(struct terminal *terminal, const char *text)
{
	const char *found;

	while ((found = strcasestr(terminal->text + terminal->seen, text)) == NULL)
		if (!read_more(terminal))
			return EXPECT_CONTAINS(terminal->text + terminal->seen, text);
	terminal->seen = (size_t)(found - terminal->text) + strlen(text);
	return true;
}

bool terminal_type(struct terminal *terminal, const char *text)
{
	size_t len = strlen(text);

	return EXPECT(write(terminal->fd, text, len) == (ssize_t)len);
}

int terminal_end(struct terminal *terminal, char **text)
{
	int status;

	while (read_more(terminal))
		;
	status = process_wait(terminal->pid);
	if (status < 0)
		process_stop(terminal->pid, SIGKILL);
	close(terminal->fd);
	*text = strdup(terminal->text);
	free(terminal);
	return status;
}
