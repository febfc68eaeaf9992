#include "proxy/media_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct media_type {
	const char *extension, *type;
};

/*
 * The IANA registry's names. Text carries its charset, or browsers would guess;
 * JSON, XML and SVG say theirs themselves.
 */
/* clang-format off */
static const struct media_type media_types[] = {
	{ "html",        "text/html; charset=utf-8" },
	{ "htm",         "text/html; charset=utf-8" },
	{ "css",         "text/css; charset=utf-8" },
	{ "js",          "text/javascript; charset=utf-8" },
	{ "mjs",         "text/javascript; charset=utf-8" },
	{ "txt",         "text/plain; charset=utf-8" },
	{ "md",          "text/markdown; charset=utf-8" },
	{ "csv",         "text/csv; charset=utf-8" },
	{ "vtt",         "text/vtt; charset=utf-8" },
	{ "json",        "application/json" },
	{ "map",         "application/json" },
	{ "webmanifest", "application/manifest+json" },
	{ "xml",         "application/xml" },
	{ "pdf",         "application/pdf" },
	{ "wasm",        "application/wasm" },
	{ "zip",         "application/zip" },
	{ "gz",          "application/gzip" },
	{ "svg",         "image/svg+xml" },
	{ "png",         "image/png" },
	{ "jpg",         "image/jpeg" },
	{ "jpeg",        "image/jpeg" },
	{ "gif",         "image/gif" },
	{ "webp",        "image/webp" },
	{ "avif",        "image/avif" },
	{ "ico",         "image/vnd.microsoft.icon" },
	{ "woff",        "font/woff" },
	{ "woff2",       "font/woff2" },
	{ "ttf",         "font/ttf" },
	{ "otf",         "font/otf" },
	{ "mp3",         "audio/mpeg" },
	{ "ogg",         "audio/ogg" },
	{ "wav",         "audio/wav" },
	{ "mp4",         "video/mp4" },
	{ "webm",        "video/webm" },
};
/* clang-format on */

const char *media_type_find(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash != NULL ? slash : path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(media_types) / sizeof(*media_types); i++) {
		if (strcasecmp(dot + 1, media_types[i].extension) == 0)
			return media_types[i].type;
	}
	return "application/octet-stream";
}
