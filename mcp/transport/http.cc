#include "mcp/transport/http.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "mcp/transport/exchange.h"
#include "mcp/transport/http_rules.h"
#include "mcp/transport/http_server.h"
#include "mcp/transport/sse.h"

namespace khipu::mcp::transport {
namespace {

using httplib::Request;
using httplib::Response;
using HandlerResponse = httplib::Server::HandlerResponse;

constexpr std::chrono::milliseconds kSlice{250};  // how often a waiting thread looks whether its client is still there
constexpr std::chrono::milliseconds kStreamSlice{1000};
constexpr const char* kAllow = "GET, POST, DELETE, OPTIONS";
constexpr const char* kCorsHeaders =
    "Content-Type, Accept, Authorization, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID";

class Head final : public RequestHead {
 public:
  Head(const Request& request, bool is_tls) : request_(request), is_tls_(is_tls) {}
  std::string_view method() const override { return request_.method; }
  std::string_view path() const override { return request_.path; }
  // The field, never the header of that name: that one is the client's to choose.
  std::string_view address() const override { return request_.remote_addr; }
  bool is_tls() const override { return is_tls_; }
  size_t header_count(const std::string& name) const override { return request_.get_header_value_count(name); }
  std::string header(const std::string& name) const override { return request_.get_header_value(name); }

 private:
  const Request& request_;
  const bool is_tls_;
};

void answer(Response& response, int status, std::string body = {}, const char* type = "text/plain; charset=utf-8") {
  response.status = status;
  if (!body.empty()) response.set_content(std::move(body), type);
}

class Listener final : public Http {
 public:
  Listener(HttpOptions options, jsonrpc::WebHandler& handler)
      : options_(std::move(options)),
        handler_(handler),
        server_({options_.connections_max, options_.request_time_max}) {
    rules_.hosts = {"localhost", "127.0.0.1", "::1"};
    if (const auto own = host_name(options_.address.find(':') == std::string::npos ? options_.address
                                                                                   : "[" + options_.address + "]")) {
      rules_.hosts.push_back(*own);
    }
    for (const std::string& host : options_.hosts) {
      if (const auto name = host_name(host)) rules_.hosts.push_back(*name);
    }
    rules_.origins = options_.origins;
    rules_.takes_local_origins = is_loopback(options_.address);
    configure();
  }
  ~Listener() override { stop(std::chrono::milliseconds(0)); }

  Result<void> listen() {
    KHIPU_TRY(reload_certificate());
    const bool is_bound = options_.port == 0 ? (port_ = server_.bind_to_any_port(options_.address)) > 0
                                             : server_.bind_to_port(options_.address, port_ = options_.port);
    if (!is_bound) {
      return Error{Code::kIo, options_.address + " port " + std::to_string(options_.port) + ": cannot listen there"};
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
    return {};
  }

  uint16_t port() const override { return static_cast<uint16_t>(port_); }

  Result<void> reload_certificate() override {
    if (!is_tls()) return {};
    KHIPU_TRY_ASSIGN(auto context, TlsContext::load(options_.tls_certificate_path, options_.tls_key_path));
    server_.use_tls(std::move(context));
    return {};
  }

  void stop(std::chrono::milliseconds grace) override {
    if (!thread_.joinable()) return;
    server_.begin_stop();
    handler_.end_streams();
    // The library drops what a stream has left to say once it stops: the last words go out first.
    const auto begun = std::chrono::steady_clock::now();
    server_.wait_until_answered(grace);
    server_.stop();
    const auto spent = std::chrono::steady_clock::now() - begun;
    if (!server_.wait_until_idle(std::max(grace / 10, grace - std::chrono::ceil<std::chrono::milliseconds>(spent)))) {
      server_.cut_connections();
    }
    thread_.join();
  }

 private:
  bool is_tls() const { return !options_.tls_certificate_path.empty(); }

  void configure() {
    server_.set_tcp_nodelay(true);
    server_.set_socket_options([](socket_t socket) {
      httplib::set_socket_opt(socket, SOL_SOCKET, SO_REUSEADDR, 1);  // not SO_REUSEPORT: one owner of a port
    });
    server_.set_payload_max_length(options_.body_size_bytes_max);
    server_.set_keep_alive_max_count(1U << 30);
    server_.set_keep_alive_timeout(5);
    server_.set_read_timeout(options_.request_time_max);
    server_.set_write_timeout(std::chrono::seconds(5));
    server_.set_exception_handler([this](const Request&, Response& response, std::exception_ptr) {
      options_.log("http: unexpected exception");
      answer(response, 500, "internal error\n");
    });
    server_.set_error_handler([](const Request&, Response& response) {
      if (!response.body.empty() || response.status == 405) return HandlerResponse::Unhandled;
      answer(response, response.status, std::string(httplib::status_message(response.status)) + "\n");
      return HandlerResponse::Handled;
    });
    server_.set_post_routing_handler(
        [](const Request&, Response& response) { HttpServer::note_status(response.status); });
    server_.set_pre_routing_handler([this](const Request& request, Response& response) {
      // What follows a POST to the endpoint needs its body: the one route below.
      if (!is_allowed(request, response)) return HandlerResponse::Handled;
      if (request.path == options_.path && request.method == "POST") return HandlerResponse::Unhandled;
      route(request, response);
      return HandlerResponse::Handled;
    });
    server_.Post(options_.path, [this](const Request& request, Response& response,
                                       const httplib::ContentReader& reader) { post(request, response, reader); });
  }

  // Host, Origin and the shape of the headers: before anything else, whatever the method.
  bool is_allowed(const Request& request, Response& response) {
    for (const auto& [name, value] : request.headers) {
      if (!has_control(name) && !has_control(value)) continue;
      return answer(response, 400, "a header holds control characters\n"), false;
    }
    if (request.get_header_value_count("Host") != 1 || request.get_header_value_count("Origin") > 1) {
      return answer(response, 400, "one Host, at most one Origin\n"), false;
    }
    if (!allows_host(rules_, request.get_header_value("Host"))) {
      return answer(response, 403, "this Host is not one of ours\n"), false;
    }
    const std::string origin = request.get_header_value("Origin");
    if (origin.empty() && !request.has_header("Origin")) return true;
    if (!allows_origin(rules_, origin)) return answer(response, 403, "this Origin may not call\n"), false;
    response.set_header("Access-Control-Allow-Origin", origin);
    response.set_header("Vary", "Origin");
    response.set_header("Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate");
    return true;
  }

  void route(const Request& request, Response& response) {
    if (request.path != options_.path) return route_elsewhere(request, response);
    if (request.method == "GET") return get(request, response);
    if (request.method == "DELETE") return end_session(request, response);
    response.set_header("Allow", kAllow);
    if (request.method != "OPTIONS") return answer(response, 405);
    if (request.has_header("Origin")) {
      response.set_header("Access-Control-Allow-Methods", kAllow);
      response.set_header("Access-Control-Allow-Headers", kCorsHeaders);
      response.set_header("Access-Control-Max-Age", "600");
    }
    answer(response, 204);
  }

  void route_elsewhere(const Request& request, Response& response) {
    for (const GetRoute& route : options_.routes) {
      if (route.path != request.path) continue;
      if (request.method != "GET" && request.method != "HEAD") {
        response.set_header("Allow", "GET, HEAD");
        return answer(response, 405);
      }
      GetRoute::Answer given = route.answer(Head(request, is_tls()));
      response.set_header("Cache-Control", given.cache_control);
      return answer(response, given.status, std::move(given.body), given.content_type.c_str());
    }
    answer(response, 404, "there is nothing here; the endpoint is " + options_.path + "\n");
  }

  std::variant<jsonrpc::Caller, Refusal> caller_of(const Request& request) {
    const bool is_open = options_.authenticator == nullptr || (options_.is_open && options_.is_open());
    if (is_open && !request.has_header("Authorization")) return options_.caller;
    if (options_.authenticator != nullptr) return options_.authenticator->authenticate(Head(request, is_tls()));
    return Refusal{401, "Bearer realm=\"khipu\"", "no token is known here"};
  }

  std::optional<jsonrpc::Caller> authenticate(const Request& request, Response& response) {
    auto verdict = caller_of(request);
    if (auto* caller = std::get_if<jsonrpc::Caller>(&verdict)) return std::move(*caller);
    const Refusal& refusal = std::get<Refusal>(verdict);
    if (!refusal.www_authenticate.empty()) response.set_header("WWW-Authenticate", refusal.www_authenticate);
    answer(response, refusal.status, refusal.message + "\n");
    return std::nullopt;
  }

  std::optional<jsonrpc::Head> head_of(const Request& request, Response& response) {
    auto collected = collect_head(Headers(request.headers.begin(), request.headers.end()));
    auto* head = std::get_if<jsonrpc::Head>(&collected);
    if (head != nullptr && (!head->has_odd_session || handler_.takes_any_session(*head))) return std::move(*head);
    answer(
        response, 400,
        head != nullptr ? "Mcp-Session-Id has letters no session id has\n" : std::get<std::string>(collected) + "\n");
    return std::nullopt;
  }

  void post(const Request& request, Response& response, const httplib::ContentReader& reader) {
    const std::optional<jsonrpc::Caller> caller = authenticate(request, response);
    if (!caller) return;
    // Any other ends where the connection ends, and half of a body would be taken for the whole.
    if (request.has_header("Transfer-Encoding") && !httplib::detail::is_chunked_transfer_encoding(request.headers)) {
      return answer(response, 501, "Transfer-Encoding: only chunked is taken\n");
    }
    if (request.has_header("Content-Encoding")) return answer(response, 415, "bodies are taken as they are\n");
    if (!is_json_type(request.get_header_value("Content-Type"))) {
      return answer(response, 415, "Content-Type must be application/json\n");
    }
    const Accepts accepts = parse_accept(request.get_header_value("Accept"));
    if (!accepts.json && !accepts.stream) {
      return answer(response, 406, "Accept must name application/json and text/event-stream\n");
    }
    const std::optional<jsonrpc::Head> head = head_of(request, response);
    if (!head) return;
    std::string body;
    if (!read_body(request, reader, body, response)) return;

    const std::shared_ptr<Exchange> exchange = Exchange::create(accepts.stream, options_.stream_queue_bytes_max);
    try {
      handler_.post(*caller, *head, body, *exchange);
    } catch (...) {
      exchange->release();  // who throws calls no done()
      throw;
    }
    deliver(*caller, request, response, exchange);
  }

  bool read_body(const Request& request, const httplib::ContentReader& reader, std::string& body, Response& response) {
    const size_t size_max = options_.body_size_bytes_max;
    bool is_too_large = request.get_header_value_u64("Content-Length") > size_max;
    const bool is_read = !is_too_large && reader([&](const char* data, size_t size) {
      is_too_large = size > size_max - body.size();
      if (!is_too_large) body.append(data, size);
      return !is_too_large;
    });
    is_too_large |= response.status == 413;  // the library's own limit, on a chunked body
    if (is_too_large) answer(response, 413, "a message has at most " + std::to_string(size_max) + " bytes\n");
    if (!is_too_large && !is_read) answer(response, 400, "the body did not arrive whole and in time\n");
    return is_read && !is_too_large;
  }

  void deliver(const jsonrpc::Caller& caller, const Request& request, Response& response,
               const std::shared_ptr<Exchange>& exchange) {
    Exchange::Shape shape = Exchange::Shape::kUndecided;
    while (shape == Exchange::Shape::kUndecided) {
      shape = exchange->wait(kSlice);
      if (shape != Exchange::Shape::kUndecided || !request.is_connection_closed()) continue;
      give_up(*exchange);
      return answer(response, 499);
    }
    if (!exchange->session().empty()) response.set_header("Mcp-Session-Id", exchange->session());
    if (shape == Exchange::Shape::kStream) return stream(caller, request, response, exchange);
    response.status = exchange->status();
    std::string body = exchange->take_body();
    if (!body.empty()) response.set_content(std::move(body), "application/json");
  }

  void get(const Request& request, Response& response) {
    const std::optional<jsonrpc::Caller> caller = authenticate(request, response);
    if (!caller) return;
    const std::optional<jsonrpc::Head> head = head_of(request, response);
    if (!head) return;
    int status = 405;
    if (parse_accept(request.get_header_value("Accept")).stream) {
      const std::shared_ptr<Exchange> exchange = Exchange::create(true, options_.stream_queue_bytes_max);
      status = handler_.open_stream(*caller, *head, *exchange);
      if (status == 0) return stream(*caller, request, response, exchange);
      exchange->release();
    }
    if (status == 405) response.set_header("Allow", "POST");
    answer(response, status, status == 405 ? "" : "there is no such session\n");
  }

  void end_session(const Request& request, Response& response) {
    const std::optional<jsonrpc::Caller> caller = authenticate(request, response);
    if (!caller) return;
    const std::optional<jsonrpc::Head> head = head_of(request, response);
    if (!head) return;
    const int status = handler_.end_session(*caller, *head);
    if (status == 405) response.set_header("Allow", "POST");
    answer(response, status, status == 404 ? "there is no such session\n" : "");
  }

  void give_up(Exchange& exchange) {
    exchange.close();
    handler_.abandon(exchange);
  }

  // A token that is revoked or has expired ends its streams, and so does one that has come to stand for less.
  bool still_may(const Request& request, const std::string& authority) {
    const auto verdict = caller_of(request);
    const auto* caller = std::get_if<jsonrpc::Caller>(&verdict);
    return caller != nullptr && caller->authority() == authority;
  }

  void stream(const jsonrpc::Caller& caller, const Request& request, Response& response,
              const std::shared_ptr<Exchange>& exchange) {
    if (++stream_count_ > options_.streams_max) {
      --stream_count_;
      give_up(*exchange);
      response.set_header("Retry-After", "5");
      return answer(response, 503, "too many streams\n");
    }
    response.status = 200;
    response.set_header("Cache-Control", "no-cache");
    response.set_header("X-Accel-Buffering", "no");
    auto last = std::make_shared<std::chrono::steady_clock::time_point>();  // never: the opening comment comes first
    // The library keeps the request until its answer is written.
    const auto may = [this, &request, authority = caller.authority()] { return still_may(request, authority); };
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, exchange, last, may](size_t, httplib::DataSink& sink) {
          return write_some(*exchange, sink, *last, may);
        },
        [this, exchange](bool) {
          --stream_count_;
          if (!exchange->is_done()) give_up(*exchange);
        });
  }

  // One turn of a stream's thread. False: the client is gone.
  bool write_some(Exchange& exchange, httplib::DataSink& sink, std::chrono::steady_clock::time_point& last,
                  const std::function<bool()>& may) {
    const auto send = [&](std::string_view text) {
      last = std::chrono::steady_clock::now();
      return sink.write(text.data(), text.size());
    };
    if (last == std::chrono::steady_clock::time_point()) return send(kStreamOpening);
    const Exchange::Piece piece = exchange.take_events(std::min(kStreamSlice, options_.keep_alive));
    if (piece.broken) {
      options_.log("http: a client does not read its stream and was given up");
      return false;
    }
    if (!may()) {  // asked each time: a slice is a second at most
      options_.log("http: a stream was ended, its caller is not let in any more");
      give_up(exchange);
      sink.done();
      return true;
    }
    if (!piece.events.empty() && !send(piece.events)) return false;
    if (piece.ended) {
      sink.done();
      return true;
    }
    if (!sink.is_writable()) return false;
    if (std::chrono::steady_clock::now() - last < options_.keep_alive) return true;
    return send(kStreamKeepAlive);
  }

  const HttpOptions options_;
  jsonrpc::WebHandler& handler_;
  HostRules rules_;
  HttpServer server_;
  std::atomic<size_t> stream_count_ = 0;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Http>> Http::open(HttpOptions options, jsonrpc::WebHandler& handler) {
  if (!is_loopback(options.address) && (options.authenticator == nullptr || (options.is_open && options.is_open()))) {
    return Error{
        Code::kInvalid,
        options.address +
            ": beyond loopback only with a way to tell who calls: a reader's token, or an authorization server"};
  }
  if (!is_loopback(options.address) && options.tls_key_path.empty() && !options.insecure) {
    return Error{Code::kForbidden, options.address +
                                       ": plain HTTP would send tokens and answers in the clear; give --tls-cert and "
                                       "--tls-key, listen on 127.0.0.1 behind a proxy that does TLS, or say "
                                       "--insecure-http"};
  }
  if (options.tls_certificate_path.empty() != options.tls_key_path.empty()) {
    return Error{Code::kInvalid, "TLS needs both a certificate and its key"};
  }
  for (const std::string& host : options.hosts) {
    if (!host_name(host)) return Error{Code::kInvalid, "not a host name: " + host};
  }
  for (const std::string& origin : options.origins) {
    const size_t name = origin.find("://");
    if (name == std::string::npos || name == 0 || !host_name(std::string_view(origin).substr(name + 3))) {
      return Error{Code::kInvalid, "not an origin (https://app.example.org, with nothing behind it): " + origin};
    }
  }
  auto listener = std::make_unique<Listener>(std::move(options), handler);
  KHIPU_TRY(listener->listen());
  return std::unique_ptr<Http>(std::move(listener));
}

}  // namespace khipu::mcp::transport
