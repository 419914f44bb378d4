// Listens to one client over stdio, or to many over HTTP, until a signal or the end of input. Wiring only.
#pragma once

#include <functional>

#include "engine/os/service.h"
#include "mcp/server/server.h"
#include "mcp/settings.h"
#include "mcp/transport/authenticator.h"

namespace khipu::mcp {

void log_line(std::string_view text);  // to stderr, with the program's name

// The caller of a process of one's own: the user who started it, with every grant.
server::Caller local_caller();

// The exit code. `on_hangup` is called for SIGHUP, which then ends nothing; over stdio without one it ends the server
// (quirk S6), over HTTP it is called after the certificate was read again.
Result<int> serve_stdio(const Settings& settings, os::Signals& signals, server::Server& server,
                        const std::function<void()>& on_hangup = {});
// `is_open`: only loopback, and who shows no token is local_caller(); asked for each request, from many threads.
Result<int> serve_http(const Settings& settings, os::Signals& signals, server::Server& server,
                       transport::Authenticator& authenticator, std::function<bool()> is_open,
                       std::vector<transport::GetRoute> routes, const std::function<void()>& on_hangup = {});

}  // namespace khipu::mcp
