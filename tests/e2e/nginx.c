#include "tests/e2e/nginx.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/net.h"
#include "tests/e2e/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	"    listen 127.0.0.1:%u; root www; client_max_body_size 0; dav_methods PUT;\n"
	"  }\n"
	"}\n";

static bool conf_write(const struct nginx *nginx, const char *path)
{
	char text[2048];
	int len = snprintf(text, sizeof(text), conf_format, nginx->port);

	return harness_file_write(path, text, (size_t)len);
}

/*
 * The port is bound here and handed over in $NGINX, the way nginx passes its
 * listeners to a new binary: no port to guess, and none to lose to others.
 * (Without its master process nginx 1.22 crashes on that.)
 */
static pid_t spawn(const char *conf_path, int listener)
{
	char variable[32];
	const char *argv[] = {"nginx", "-p", harness_scratch(), "-c", conf_path, NULL};
	struct process_options options = {.argv = argv,
		.output = harness_path("nginx.log"),
		.variable = variable,
		.inherited_fd = listener};

	snprintf(variable, sizeof(variable), "NGINX=%d;", listener);
	return process_spawn(&options);
}

struct nginx *nginx_start(void)
{
	struct nginx *nginx = calloc(1, sizeof(*nginx));
	const char *conf_path = harness_path("nginx.conf");
	int listener = -1;

	if (nginx == NULL)
		return NULL;
	nginx->pid = -1;
	listener = net_listen(&nginx->port, 1024);
	snprintf(nginx->address, sizeof(nginx->address), "127.0.0.1:%u", nginx->port);
	snprintf(nginx->root, sizeof(nginx->root), "%s", harness_path("www"));
	if (listener >= 0 && mkdir(nginx->root, 0755) == 0 && conf_write(nginx, conf_path))
		nginx->pid = spawn(conf_path, listener);
	if (listener >= 0)
		close(listener); /* connections wait in its backlog until nginx accepts */
	if (nginx->pid > 0)
		return nginx;
	free(nginx);
	return NULL;
}

void nginx_stop(struct nginx *nginx)
{
	if (nginx == NULL)
		return;
	EXPECT_EQUAL(process_stop(nginx->pid, SIGTERM), 0);
	free(nginx);
}
