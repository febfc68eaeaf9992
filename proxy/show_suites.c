/* What each server offers its clients, and what of it this kernel can protect. */
#include "proxy/json.h"
#include "proxy/show_view.h"

#include <stdlib.h>

struct ktls_suite *show_suites_of(const struct server *server, size_t *count)
{
	*count = server->tls ? ktls_server_suites(server->tls, NULL, 0) : 0;
	struct ktls_suite *suites = *count ? calloc(*count, sizeof *suites) : NULL;
	if (suites)
		ktls_server_suites(server->tls, suites, *count);
	else
		*count = 0;
	return suites;
}

static void suite_json(FILE *out, const struct ktls_suite *suite)
{
	fputs("{\"tls_version\":", out);
	json_string(out, ktls_version_name(suite->version));
	fputs(",\"openssl_name\":", out);
	json_string(out, suite->name);
	fputs(",\"rfc_name\":", out);
	json_string(out, suite->standard_name);
	fprintf(out, ",\"bits\":%d,\"kernel_tx\":%s,\"kernel_rx\":%s,\"obstacle\":", suite->bits,
		suite->kernel_tx ? "true" : "false", suite->kernel_rx ? "true" : "false");
	json_string(out, *suite->obstacle ? suite->obstacle : NULL);
	fputc('}', out);
}

void show_suites_json(FILE *out, const struct show_view *view)
{
	size_t count;
	struct ktls_suite *suites = show_suites_of(view->server, &count);
	fputs("{\"name\":", out);
	json_string(out, view->server->conf->name);
	fputs(",\"offload_policy\":", out);
	json_string(out, conf_offload_name(view->server->conf->offload));
	fputs(",\"ciphersuites\":[", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? "," : "", out);
		suite_json(out, &suites[i]);
	}
	fputs("]}", out);
	free(suites);
}

static void suite_text(FILE *out, const struct ktls_suite *suite)
{
	const char *kernel = suite->kernel_rx ? "tx rx" : suite->kernel_tx ? "tx, no rx: " : "no: ";
	fprintf(out, "  %-7s  %4d  %-29s  %-45s  %s%s\n", ktls_version_name(suite->version),
		suite->bits, suite->name, suite->standard_name ? suite->standard_name : "-", kernel,
		suite->obstacle);
}

void show_suites_text(FILE *out, const struct show_view *view)
{
	size_t count;
	struct ktls_suite *suites = show_suites_of(view->server, &count);
	const struct conf_server *conf = view->server->conf;
	fprintf(out, "Server %s, offload %s\n", conf->name, conf_offload_name(conf->offload));
	if (conf->secure_server)
		fprintf(out, "  %-7s  %4s  %-29s  %-45s  %s\n", "Version", "Bits", "OpenSSL name",
			"RFC name", "Kernel");
	else
		fputs("  secure server Disabled\n", out);
	for (size_t i = 0; i < count; i++)
		suite_text(out, &suites[i]);
	free(suites);
}
