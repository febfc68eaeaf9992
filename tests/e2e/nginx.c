#include "tests/e2e/nginx.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

/* Relative paths start at the scratch directory, given as its prefix. */
static const char conf_format[] =
	"daemon off; worker_processes 1; user root;\n" /* it writes where we may */
	"error_log nginx.log warn; pid nginx.pid;\n"
	"events { worker_connections 4096; }\n"
	"http {\n"
	"  access_log off; sendfile on; types { }\n"
	"  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
	"  uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
	"  keepalive_requests 1000000; keepalive_timeout 120s;\n"
	"  server {\n"
	"    listen 127.0.0.1:%u; client_max_body_size 0;\n"
	"    %s\n"
	"  }\n"
	"}\n";

static const char files_location[] = "root www; dav_methods PUT;";

/* The request whole before the backend hears of it, as nginx does unless told otherwise. */
static const char proxy_format[] = "location / { proxy_pass http://%s; proxy_http_version 1.1; }";

static bool conf_write(const struct nginx *nginx, const char *location)
{
	const char *path = harness_path("nginx.conf");
	char text[2048];
	int len = snprintf(text, sizeof(text), conf_format, nginx->port, location);

	return harness_file_write(path, text, (size_t)len);
}

/*
 * The port is bound here and handed over in $NGINX, the way nginx passes its
 * listeners to a new binary: no port to guess, and none to lose to others.
 * (Without its master process nginx 1.22 crashes on that.)
 */
static pid_t spawn(int listener)
{
	char variable[32];
	const char *argv[] = {"nginx", "-p", harness_scratch(), "-c", "nginx.conf", NULL};
	struct process_options options = {.argv = argv,
		.output = harness_path("nginx.log"),
		.variable = variable,
		.inherited_fd = listener};

	snprintf(variable, sizeof(variable), "NGINX=%d;", listener);
	return process_spawn(&options);
}

bool nginx_restart(struct nginx *nginx)
{
	int listener = net_listen_port(nginx->port, BACKLOG);

	if (listener < 0)
		return false;
	nginx->pid = spawn(listener);
	close(listener); /* connections wait in its backlog until nginx accepts */
	return nginx->pid > 0;
}

/* Bound as nobody else's; from then on shared with the listeners that follow. */
static bool port_take(struct nginx *nginx)
{
	int on = 1;

	nginx->guard = net_listen(&nginx->port, -1);
	return nginx->guard >= 0 &&
	       setsockopt(nginx->guard, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
}

static struct nginx *start(const char *location)
{
	struct nginx *nginx = calloc(1, sizeof(*nginx));

	if (nginx == NULL)
		return NULL;
	nginx->pid = nginx->guard = -1;
	if (!port_take(nginx))
		goto fail;
	snprintf(nginx->address, sizeof(nginx->address), "127.0.0.1:%u", nginx->port);
	snprintf(nginx->root, sizeof(nginx->root), "%s", harness_path("www"));
	if (mkdir(nginx->root, 0755) == 0 && conf_write(nginx, location) && nginx_restart(nginx))
		return nginx;
	close(nginx->guard);
fail:
	free(nginx);
	return NULL;
}

struct nginx *nginx_start(void)
{
	return start(files_location);
}

struct nginx *nginx_start_proxy(const char *backend)
{
	char location[256];

	snprintf(location, sizeof(location), proxy_format, backend);
	return start(location);
}

static bool is_listening(const struct nginx *nginx)
{
	int fd = net_connect("127.0.0.1", nginx->port, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Its children outlive a master that is killed, and keep the listener. */
void nginx_kill(struct nginx *nginx)
{
	pid_t children[PROCESS_MAX_CHILDREN];
	size_t count = process_children(nginx->pid, children);

	process_stop(nginx->pid, SIGKILL);
	nginx->pid = -1;
	for (size_t i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	while (is_listening(nginx) && harness_tick())
		;
}

void nginx_stop(struct nginx *nginx)
{
	if (nginx == NULL)
		return;
	if (nginx->pid > 0)
		EXPECT_EQUAL(process_stop(nginx->pid, SIGTERM), 0);
	close(nginx->guard);
	free(nginx);
}
