#include "mcp/transport/http_server.h"

#include <array>
#include <functional>

#include "engine/os/busy_poll.h"
#include "engine/os/task_threads.h"

namespace khipu::mcp::transport {
namespace {

thread_local int current_status = 0;

constexpr size_t kLingerSizeMax = size_t{8} << 20;
constexpr std::chrono::milliseconds kLingerTimeMax{1000};
constexpr size_t kDoorkeepers = 8;
constexpr std::string_view kRefusalAtTheDoor =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

// A thread for each connection. The library's own pool grows only when no thread is idle at the moment a connection
// comes: of a burst, some are queued behind threads that serve streams, and wait for ever.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t threads_max) : threads_(threads_max) {}
  // False: too many; the connection is closed.
  bool enqueue(std::function<void()> serve) override { return threads_.run(std::move(serve)); }
  void shutdown() override { threads_.wait(); }

 private:
  os::TaskThreads threads_;
};

// A request without a length has no body (RFC 9112, 6.3). The library would read one until the connection ends: a
// DELETE would eat the next request of its connection.
void frame_body(httplib::Request& request) {
  if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
    request.headers.emplace("Content-Length", "0");
  }
}

struct Handshake {
  httplib::tls::session_t session = nullptr;
  ~Handshake() {
    if (session != nullptr) httplib::tls::free_session(session);
  }
};

// The library bounds each of its waits and not how many there are: whoever sends a byte now and then would shake hands
// for ever, and hold a connection without having shown anything.
bool shake_hands(httplib::tls::session_t session, socket_t socket, std::chrono::milliseconds time_max) {
  using httplib::tls::ErrorCode;
  using std::chrono::microseconds;
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  httplib::detail::set_nonblocking(socket, true);
  bool is_ready = true, is_done = false;
  while (is_ready && !is_done) {
    const ErrorCode code = httplib::tls::accept(session).code;
    const auto left = std::chrono::duration_cast<microseconds>(deadline - std::chrono::steady_clock::now()).count();
    const time_t seconds = left / 1'000'000, rest = left % 1'000'000;
    is_done = code == ErrorCode::Success;
    if (is_done || left <= 0) break;
    is_ready = (code == ErrorCode::WantRead && httplib::detail::select_read(socket, seconds, rest) > 0) ||
               (code == ErrorCode::WantWrite && httplib::detail::select_write(socket, seconds, rest) > 0);
  }
  httplib::detail::set_nonblocking(socket, false);
  return is_done;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certificate_path, const std::string& key_path) {
  const httplib::tls::ctx_t context = httplib::tls::create_server_context();
  if (context == nullptr) return Error{Code::kIo, "TLS cannot be set up"};
  std::shared_ptr<TlsContext> owner(new TlsContext(context));
  httplib::tls::set_min_version(context, httplib::tls::Version::TLS1_2);
  if (!httplib::tls::set_server_cert_file(context, certificate_path.c_str(), key_path.c_str(), nullptr)) {
    return Error{Code::kIo, certificate_path + ", " + key_path + ": not a PEM certificate chain and its key"};
  }
  return owner;
}

TlsContext::~TlsContext() { httplib::tls::free_context(context_); }

HttpServer::HttpServer(HttpServerLimits limits) : limits_(limits) {
  // Some threads more say 503 to those beyond the cap.
  const size_t threads_max = limits_.connections_max + kDoorkeepers;
  new_task_queue = [threads_max] { return new ConnectionThreads(threads_max); };
}

void HttpServer::use_tls(std::shared_ptr<TlsContext> context) {
  const std::lock_guard lock(tls_mutex_);
  tls_ = std::move(context);
}

void HttpServer::note_status(int status) { current_status = status; }

void HttpServer::cut_connections() {
  const std::lock_guard lock(mutex_);
  cutting_ = true;
  for (const socket_t socket : open_) httplib::detail::shutdown_socket(socket);
}

bool HttpServer::wait_until_idle(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, wait_max, [this] { return open_.empty(); });
}

void HttpServer::count_request(int change) {
  const std::lock_guard lock(mutex_);
  requests_ += static_cast<size_t>(change);
  if (requests_ == 0) idle_.notify_all();
}

bool HttpServer::wait_until_answered(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, wait_max, [this] { return requests_ == 0; });
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  bool is_admitted = false;
  {
    const std::lock_guard lock(mutex_);
    is_admitted = !stopping_ && !cutting_ && open_.size() < limits_.connections_max;
    if (is_admitted) open_.insert(socket);
  }
  bool is_served = false;
  current_status = 0;
  if (is_admitted) {
    is_served = serve(socket);
    if (current_status >= 400) linger(socket);
  } else {
    httplib::detail::send_socket(socket, kRefusalAtTheDoor.data(), kRefusalAtTheDoor.size(), 0);
  }
  {
    const std::lock_guard lock(mutex_);  // before the number can be given to a new connection
    open_.erase(socket);
    httplib::detail::shutdown_socket(socket);
    httplib::detail::close_socket(socket);
  }
  idle_.notify_all();
  return is_served;
}

template <typename MakeStream>
bool HttpServer::serve_requests(socket_t socket, os::Wire wire, const MakeStream& make_stream) {
  std::string address;
  int port = 0;
  httplib::detail::get_remote_ip_and_port(socket, address, port);
  os::BusyPoll busy_poll;
  const auto comes = [&] {
    const bool is_there = busy_poll.look(socket) && svr_sock_ != INVALID_SOCKET;
    if (!is_there && !httplib::detail::keep_alive(svr_sock_, socket, keep_alive_timeout_sec_)) return false;
    busy_poll.came();
    return true;
  };
  return os::serve_requests(keep_alive_max_count_, comes, [&](os::ReadAhead& ahead, bool is_last, bool& ends) {
    // One stream a request, with an end: a client that sends a byte a second is cut like a silent one.
    const auto source = make_stream();
    os::AheadStream<httplib::Stream> stream(*source, ahead, wire);
    current_status = 0;
    count_request(1);
    const bool served = process_request(stream, address, port, {}, 0, is_last || stopping_, ends, frame_body);
    count_request(-1);
    ends = ends || current_status >= 400 || stopping_;
    return served;
  });
}

bool HttpServer::serve(socket_t socket) {
  std::shared_ptr<TlsContext> tls;
  {
    const std::lock_guard lock(tls_mutex_);
    tls = tls_;
  }
  if (tls != nullptr) return serve_tls(socket, *tls);
  return serve_requests(socket, os::Wire::kPlain, [&] {
    return std::make_unique<httplib::detail::SocketStream>(
        socket, read_timeout_sec_, read_timeout_usec_, write_timeout_sec_, write_timeout_usec_,
        limits_.request_time_max.count(), std::chrono::steady_clock::now());
  });
}

bool HttpServer::serve_tls(socket_t socket, TlsContext& context) {
  Handshake handshake;
  {
    const std::lock_guard lock(tls_mutex_);
    handshake.session = httplib::tls::create_session(context.get(), socket);
  }
  if (handshake.session == nullptr) return false;
  if (!shake_hands(handshake.session, socket, limits_.request_time_max)) return false;
  const bool done = serve_requests(socket, os::Wire::kTls, [&] {
    return std::make_unique<httplib::detail::SSLSocketStream>(
        socket, handshake.session, read_timeout_sec_, read_timeout_usec_, write_timeout_sec_, write_timeout_usec_,
        limits_.request_time_max.count(), std::chrono::steady_clock::now());
  });
  httplib::tls::shutdown(handshake.session, done);
  return done;
}

// Closing a socket with unread bytes resets the connection, and the client may never see why it was refused: what it
// still sends is read and dropped, within bounds.
void HttpServer::linger(socket_t socket) {
  ::shutdown(socket, SHUT_WR);
  std::array<char, 16 * 1024> buffer;
  const auto deadline = std::chrono::steady_clock::now() + kLingerTimeMax;
  size_t size = 0;
  while (size < kLingerSizeMax && !stopping_) {
    const auto left =
        std::chrono::duration_cast<std::chrono::microseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || httplib::detail::select_read(socket, 0, left.count()) <= 0) return;
    const ssize_t count = httplib::detail::read_socket(socket, buffer.data(), buffer.size(), 0);
    if (count <= 0) return;
    size += static_cast<size_t>(count);
  }
}

}  // namespace khipu::mcp::transport
