// cpp-httplib with our settings, for http_server.h and http.cc alone: one set of macros in one program.
#pragma once

#define CPPHTTPLIB_OPENSSL_SUPPORT      // TLS
#define CPPHTTPLIB_LISTEN_BACKLOG 1024  // its 5 costs seconds when 300 clients connect at once
#define CPPHTTPLIB_KEEPALIVE_TIMEOUT_CHECK_INTERVAL_USECOND 100000  // how often an idle connection looks whether to end
#include <httplib.h>
