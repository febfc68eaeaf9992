#include "tests/pki/peers.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/process.h"
#include "tests/pki/namespace.h"
#include "tests/pki/tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* These servers take no port 0: nobody else is in our network namespace to lose it to. */
static struct peer *peer_new(const char *name)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int listener;

	if (peer == NULL)
		return NULL;
	listener = net_listen(&peer->port, 1);
	if (listener >= 0)
		close(listener);
	snprintf(peer->directory, sizeof(peer->directory), "%s/%s", harness_scratch(), name);
	snprintf(peer->log, sizeof(peer->log), "%s/%s.log", harness_scratch(), name);
	if (EXPECT(listener >= 0) && EXPECT(mkdir(peer->directory, 0777) == 0) &&
		EXPECT(chmod(peer->directory, 0777) == 0))
		return peer;
	free(peer);
	return NULL;
}

static bool peer_spawn(struct peer *peer, const char *const *argv)
{
	struct process_options options = {.argv = argv, .output = peer->log};

	peer->pid = process_spawn(&options);
	return EXPECT(peer->pid > 0);
}

/* Until it accepts connections on 127.0.0.1. */
static struct peer *peer_ready(struct peer *peer)
{
	int fd;

	while ((fd = net_connect("127.0.0.1", peer->port, 0)) < 0)
		if (!process_is_running(peer->pid) || !harness_tick())
			break;
	if (fd >= 0)
		close(fd);
	if (EXPECT(fd >= 0))
		return peer;
	peer_stop(peer);
	return NULL;
}

void peer_stop(struct peer *peer)
{
	if (peer == NULL)
		return;
	process_stop(peer->pid, SIGTERM);
	free(peer);
}

struct peer *peer_scepserver(void)
{
	struct peer *peer = peer_new("scepserver");
	char port[16];

	if (peer == NULL)
		return NULL;
	snprintf(port, sizeof(port), "%u", peer->port);
	TOOL_EXPECT("scepserver", "ca", "-init", "-depot", peer->directory, "-keySize", "2048",
		"-key-password", "capass", "-organization", "Test Org");
	if (peer_spawn(
		    peer, WORDS("scepserver", "-depot", peer->directory, "-port", port, "-capass",
				  "capass", "-challenge", "s3cret", "-allowrenew", "0")))
		return peer_ready(peer);
	free(peer);
	return NULL;
}

/* Over UDP nobody can see that it is ready: clients repeat their requests. */
struct peer *peer_tftpd(void)
{
	struct peer *peer = peer_new("tftpd");
	char address[64];

	if (peer == NULL)
		return NULL;
	snprintf(address, sizeof(address), NAMESPACE_ADDRESS ":%u", peer->port);
	if (peer_spawn(peer, WORDS("in.tftpd", "-L", "-4", "-a", address, "-s", "-c", "-p", "-u",
				     "root", peer->directory)))
		return peer;
	free(peer);
	return NULL;
}

struct peer *peer_tinyproxy(void)
{
	struct peer *peer = peer_new("tinyproxy");
	char path[400], text[1000];
	int len;

	if (peer == NULL)
		return NULL;
	snprintf(path, sizeof(path), "%s/tinyproxy.conf", peer->directory);
	len = snprintf(text, sizeof(text),
		"Port %u\nListen 127.0.0.1\nTimeout 30\nLogLevel Connect\nMaxClients 10\n"
		"Allow 127.0.0.1\n",
		peer->port);
	EXPECT(harness_file_write(path, text, (size_t)len));
	if (peer_spawn(peer, WORDS("tinyproxy", "-d", "-c", path)))
		return peer_ready(peer);
	free(peer);
	return NULL;
}
