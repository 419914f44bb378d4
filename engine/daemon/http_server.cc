#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "engine/crypto/wipe_freed.h"
#include "engine/daemon/http.h"
#include "engine/daemon/httplib.h"
#include "engine/os/read_ahead.h"
#include "engine/os/task_threads.h"

namespace khipu::daemon {
namespace {

// The peer of the connection this thread serves: httplib tells handlers only an address, and the uid of a Unix socket's
// other end is what we need.
thread_local const HttpPeer* current_peer = nullptr;
// What the request this thread serves was answered with: after an error httplib announces that it closes, and does not.
thread_local int current_status = 0;

// Threads beyond the cap: for those that are told 503, and for those whose connection was given up and that are about
// to notice.
constexpr size_t kDoorkeepers = 32;

// The connection this thread serves. begin_answer(): all of the request is there; from now on the connection is not
// given up for another one. False: it was already.
class Served {
 public:
  virtual ~Served() = default;
  virtual bool begin_answer() = 0;
};
thread_local Served* current_connection = nullptr;

std::string refusal_at_the_door() {
  const std::string body = R"({"schema":"khipu.error/v1","error":{"code":"busy","message":"too many connections"}})";
  return "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "/v1/x": what the one route below matches, so that only these are given a content reader.
bool one_segment_below_v1(const std::string& path) {
  return path.size() > 4 && path.starts_with("/v1/") && path.find('/', 4) == std::string::npos;
}

HttpResponse plain_error(int status, const char* code, const char* message) {
  HttpResponse response;
  response.status = status;
  response.body = std::string("{\"schema\":\"khipu.error/v1\",\"error\":{\"code\":\"") + code + "\",\"message\":\"" +
                  message + "\"}}";
  return response;
}

class LibraryRequest final : public HttpRequest {
 public:
  LibraryRequest(const httplib::Request& request, const httplib::ContentReader* reader, uint64_t body_size_bytes_max)
      : request_(request),
        reader_(reader),
        body_size_bytes_max_(body_size_bytes_max),
        query_(request.params.begin(), request.params.end()) {}

  std::string_view method() const override { return request_.method; }
  std::string_view path() const override { return request_.path; }
  const std::vector<std::pair<std::string, std::string>>& query() const override { return query_; }
  size_t header_count(const std::string& name) const override { return request_.get_header_value_count(name); }
  std::string header(const std::string& name) const override { return request_.get_header_value(name); }
  const HttpPeer& peer() const override { return *current_peer; }
  Result<std::string> body() override {
    std::string body;
    const Error given_up{Code::kIo, "the connection was given up for another one"};
    if (reader_ == nullptr) return current_connection->begin_answer() ? Result<std::string>(body) : given_up;
    const std::string limit = std::to_string(body_size_bytes_max_);
    bool too_large = request_.get_header_value_u64("Content-Length") > body_size_bytes_max_;
    if (too_large) return Error{Code::kLimit, "the body is larger than " + limit + " bytes"};
    const bool read = (*reader_)([&](const char* data, size_t size) {
      too_large = size > body_size_bytes_max_ - body.size();
      if (!too_large) body.append(data, size);
      return !too_large;
    });
    if (too_large) return Error{Code::kLimit, "the body is larger than " + limit + " bytes"};
    if (!read)
      return Error{Code::kIo, "the body did not arrive whole and in time, is larger than " + limit +
                                  " bytes, or is not in chunks as it says"};
    if (!current_connection->begin_answer()) return given_up;
    return body;
  }

 private:
  const httplib::Request& request_;
  const httplib::ContentReader* reader_;
  uint64_t body_size_bytes_max_;
  std::vector<std::pair<std::string, std::string>> query_;
};

// A thread for each connection. The library's own pool grows only when no thread is idle at the moment a connection
// comes: of a burst, some are queued behind connections that stay open, and wait until one of them ends.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t threads_max) : threads_(threads_max) {}
  // What a connection's requests left on its thread's stack goes with it, where protected values pass through.
  bool enqueue(std::function<void()> serve) override {
    return threads_.run([serve = std::move(serve)] {
      serve();
      crypto::wipe_stack();
    });
  }
  void shutdown() override { threads_.wait(); }

 private:
  os::TaskThreads threads_;
};

// Sees each connection before and after httplib does.
class PeerServer final : public httplib::Server {
 public:
  PeerServer(bool local, HttpLimits limits) : local_(local), limits_(limits) {}

  // From now on a connection ends with the request it is at.
  void begin_stop() { stopping_ = true; }
  void cut_connections() {
    const std::lock_guard lock(mutex_);
    cutting_ = true;
    for (const auto& [socket, one] : open_) os::shut_down_socket(socket);
  }
  // False when connections are still open after the time.
  bool wait_until_idle(int timeout_ms) {
    std::unique_lock lock(mutex_);
    return idle_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return open_.empty(); });
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    std::string who;         // "uid 1000" or an address
    Clock::time_point idle;  // since then it is waited for: accepted, or answered last
    bool answering = false;
    bool given_up = false;
  };

  class Serving final : public Served {
   public:
    Serving(PeerServer& server, int socket) : server_(server), socket_(socket) { current_connection = this; }
    ~Serving() override { current_connection = nullptr; }
    bool begin_answer() override {
      const std::lock_guard lock(server_.mutex_);
      Connection& connection = server_.open_.at(socket_);
      connection.answering = !connection.given_up;
      return connection.answering;
    }
    void end_answer() {
      const std::lock_guard lock(server_.mutex_);
      Connection& connection = server_.open_.at(socket_);
      connection.answering = false;
      connection.idle = Clock::now();
    }

   private:
    PeerServer& server_;
    const int socket_;
  };

  // Makes room: of the peer that holds the most connections, the one that has been waited for longest ends. Whoever
  // opens many and sends nothing, or half of a request, so shuts out himself. False when all are being answered.
  bool give_one_up() {  // mutex_ is held
    std::map<std::string_view, size_t> held;
    for (const auto& [socket, one] : open_) held[one.who] += one.given_up ? 0 : 1;
    const auto before = [&](const Connection& a, const Connection& b) {
      return std::pair(held[b.who], a.idle) < std::pair(held[a.who], b.idle);
    };
    auto chosen = open_.end();
    for (auto one = open_.begin(); one != open_.end(); ++one) {
      if (one->second.answering || one->second.given_up) continue;
      if (chosen == open_.end() || before(one->second, chosen->second)) chosen = one;
    }
    if (chosen == open_.end()) return false;
    chosen->second.given_up = true;
    ++given_up_;
    os::shut_down_socket(chosen->first);
    return true;
  }

  bool process_and_close_socket(socket_t socket) override {
    HttpPeer peer;
    bool admitted = identify(socket, peer);
    if (admitted) {
      const std::lock_guard lock(mutex_);
      admitted = !cutting_ && (open_.size() - given_up_ < limits_.connections_max || give_one_up());
      const std::string who = local_ ? "uid " + std::to_string(peer.process.uid) : peer.address;
      if (admitted) open_[socket] = {who, Clock::now()};
    }
    bool done = false;
    if (admitted) {
      done = serve(socket, peer);
    } else {
      os::send_and_forget(socket, refusal_at_the_door());
    }
    {
      const std::lock_guard lock(mutex_);  // before the number can be given to a new connection
      if (admitted) {
        given_up_ -= open_.at(socket).given_up ? 1 : 0;
        open_.erase(socket);
      }
      httplib::detail::shutdown_socket(socket);
      httplib::detail::close_socket(socket);
    }
    idle_.notify_all();
    return done;
  }

  bool identify(socket_t socket, HttpPeer& peer) const {
    peer.local = local_;
    if (local_) {
      Result<os::Peer> process = os::peer_of(socket);
      if (!process.ok()) return false;
      peer.process = *process;
      return true;
    }
    int port = 0;
    httplib::detail::get_remote_ip_and_port(socket, peer.address, port);
    return true;
  }

  bool serve(socket_t socket, const HttpPeer& peer) {
    const int port = 0;
    Serving serving(*this, socket);
    current_peer = &peer;
    const auto comes = [&] { return httplib::detail::keep_alive(svr_sock_, socket, keep_alive_timeout_sec_); };
    const bool served =
        os::serve_requests(keep_alive_max_count_, comes, [&](os::ReadAhead& ahead, bool is_last, bool& ends) {
          // One stream a request, with an end: a client that sends a byte a second is cut like a silent one.
          httplib::detail::SocketStream source(socket, read_timeout_sec_, read_timeout_usec_, write_timeout_sec_,
                                               write_timeout_usec_, limits_.request_time_ms,
                                               std::chrono::steady_clock::now());
          os::AheadStream<httplib::Stream> stream(source, ahead, os::Wire::kPlain);
          current_status = 0;
          const bool done = process_request(stream, peer.address, port, {}, 0, is_last || stopping_, ends, nullptr);
          serving.end_answer();
          // A producer that never pauses would otherwise be served for as long as it goes on.
          ends = ends || current_status >= 400 || stopping_;
          return done;
        });
    current_peer = nullptr;
    return served;
  }

  const bool local_;
  const HttpLimits limits_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards the members below
  bool cutting_ = false;
  std::map<int, Connection> open_;
  size_t given_up_ = 0;  // of open_
  std::condition_variable idle_;
};

void write(const HttpResponse& from, httplib::Response& to) {
  to.status = from.status;
  to.set_content(from.body, from.content_type);
  if (from.retry_after_s) to.set_header("Retry-After", std::to_string(*from.retry_after_s));
  if (!from.allow.empty()) to.set_header("Allow", from.allow);
}

class Listener final : public HttpListener {
 public:
  Listener(bool local, HttpLimits limits, HttpHandler handler)
      : limits_(limits), handler_(std::move(handler)), server_(local, limits) {
    using httplib::Server;
    // Some threads more say 503 to those beyond the cap.
    const size_t threads_max = 2 * size_t{limits.connections_max} + kDoorkeepers;
    server_.new_task_queue = [threads_max] { return new ConnectionThreads(threads_max); };
    server_.set_payload_max_length(limits.body_size_bytes_max);
    server_.set_keep_alive_max_count(1U << 30);
    server_.set_keep_alive_timeout(std::max<time_t>(1, limits.idle_time_ms / 1000));
    server_.set_read_timeout(std::chrono::milliseconds(limits.request_time_ms));
    server_.set_write_timeout(std::chrono::milliseconds(limits.request_time_ms));
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      write(plain_error(500, "internal", "the request could not be carried out"), response);
    });
    server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return Server::HandlerResponse::Unhandled;
      const bool large = response.status == 413;
      const HttpResponse answer = large ? plain_error(413, "limit", "the body is too large")
                                        : plain_error(response.status, "invalid", "not a request this server takes");
      response.set_content(answer.body, answer.content_type);
      return Server::HandlerResponse::Handled;
    });
    server_.set_post_routing_handler(
        [](const httplib::Request&, httplib::Response& response) { current_status = response.status; });
    server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      for (const auto& [name, value] : request.headers) {
        if (!has_control(name) && !has_control(value)) continue;
        write(plain_error(400, "invalid", "a header holds control characters"), response);
        return Server::HandlerResponse::Handled;
      }
      if (request.has_header("Content-Encoding")) {
        write(plain_error(415, "unsupported", "compressed bodies are not taken: send them as they are"), response);
        return Server::HandlerResponse::Handled;
      }
      // What has no length ends where the connection ends, and half of it would be taken for the whole.
      const bool coded = request.has_header("Transfer-Encoding");
      if (coded && !httplib::detail::is_chunked_transfer_encoding(request.headers)) {
        write(plain_error(501, "unsupported", "Transfer-Encoding: only chunked is taken"), response);
        return Server::HandlerResponse::Handled;
      }
      if (request.method == "POST" && !coded && !request.has_header("Content-Length")) {
        write(plain_error(411, "invalid", "a body wants Content-Length, or Transfer-Encoding: chunked"), response);
        return Server::HandlerResponse::Handled;
      }
      if (!coded && !all_digits(request.get_header_value("Content-Length", "0"))) {
        write(plain_error(400, "invalid", "Content-Length is a number of bytes"), response);
        return Server::HandlerResponse::Handled;
      }
      if (request.method == "POST" && one_segment_below_v1(request.path)) return Server::HandlerResponse::Unhandled;
      LibraryRequest ours(request, nullptr, limits_.body_size_bytes_max);
      if (!current_connection->begin_answer()) return Server::HandlerResponse::Handled;
      write(handler_(ours), response);
      return Server::HandlerResponse::Handled;
    });
    // ":name" and not a pattern: patterns are std::regex on a stranger's text.
    server_.Post("/v1/:name", [this](const httplib::Request& request, httplib::Response& response,
                                     const httplib::ContentReader& reader) {
      LibraryRequest ours(request, &reader, limits_.body_size_bytes_max);
      write(handler_(ours), response);
    });
  }
  ~Listener() override { stop(0); }

  Result<void> listen_local(const os::SocketPath& path) {
    server_.set_address_family(AF_UNIX);
    server_.set_socket_options([](socket_t socket) { os::limit_socket_permissions(socket, 0660); });
    if (!server_.bind_to_port(path.text(), 80)) return Error{Code::kIo, path.text() + ": cannot listen there"};
    KHIPU_TRY(os::set_socket_permissions(path, 0660));
    start();
    return {};
  }
  Result<void> listen_tcp(const std::string& host, uint16_t port) {
    server_.set_tcp_nodelay(true);
    server_.set_socket_options([](socket_t socket) {
      httplib::set_socket_opt(socket, SOL_SOCKET, SO_REUSEADDR, 1);  // not SO_REUSEPORT: one owner of a port
    });
    const int bound = port == 0 ? server_.bind_to_any_port(host) : server_.bind_to_port(host, port) ? port : -1;
    if (bound <= 0) return Error{Code::kIo, host + ":" + std::to_string(port) + ": cannot listen there"};
    port_ = static_cast<uint16_t>(bound);
    start();
    return {};
  }

  uint16_t port() const override { return port_; }

  void stop(int grace_ms) override {
    if (!thread_.joinable()) return;
    server_.begin_stop();
    server_.stop();
    if (!server_.wait_until_idle(grace_ms)) server_.cut_connections();
    thread_.join();
  }

 private:
  void start() {
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }

  const HttpLimits limits_;
  const HttpHandler handler_;
  PeerServer server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpListener>> HttpListener::open_local(const os::SocketPath& path, HttpLimits limits,
                                                               HttpHandler handler) {
  auto listener = std::make_unique<Listener>(true, limits, std::move(handler));
  KHIPU_TRY(listener->listen_local(path));
  return std::unique_ptr<HttpListener>(std::move(listener));
}

Result<std::unique_ptr<HttpListener>> HttpListener::open_tcp(const std::string& host, uint16_t port, HttpLimits limits,
                                                             HttpHandler handler) {
  auto listener = std::make_unique<Listener>(false, limits, std::move(handler));
  KHIPU_TRY(listener->listen_tcp(host, port));
  return std::unique_ptr<HttpListener>(std::move(listener));
}

}  // namespace khipu::daemon
