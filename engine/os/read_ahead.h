// What cpp-httplib's streams lack. What a connection sent behind the request that was read (RFC 9112, section 9.3.2,
// pipelining) is kept for the next one: its own stream lives as long as one request and forgets what it read too much,
// so that the body of a request whose head it forgot would be taken for a request. And the values of header fields are
// taken as they were sent. Templates over its Stream: each program includes the library with settings of its own. Not
// here: sockets.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

namespace khipu::os {

// Of one connection; one thread.
class ReadAhead {
 public:
  // At least a TLS record: whoever reads so much at a time leaves nothing decrypted inside the library, which no
  // poll() of the socket would tell of.
  static constexpr size_t kSizeMax = 16 * 1024;

  bool empty() const { return from_ == to_; }

  // The next byte that is here. Not empty().
  char take() { return bytes_[from_++]; }
  // As Stream::read(), from here or else by `read_more(into, size)`.
  template <typename ReadMore>
  ssize_t read(const ReadMore& read_more, char* into, size_t size) {
    if (empty()) {
      if (size >= kSizeMax) return read_more(into, size);
      if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<char[]>(kSizeMax);
      const ssize_t count = read_more(bytes_.get(), kSizeMax);
      if (count <= 0) return count;
      from_ = 0;
      to_ = static_cast<size_t>(count);
    }
    const size_t count = std::min(size, to_ - from_);
    std::memcpy(into, bytes_.get() + from_, count);
    from_ += count;
    return static_cast<ssize_t>(count);
  }

  // Between two requests: what was read and used up stays in no memory while the connection is idle.
  void settle() {
    if (empty()) bytes_.reset();
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t from_ = 0, to_ = 0;
};

// cpp-httplib percent-decodes the values of header fields, which are no URIs: a key `order%2F7` would be `order/7`, and
// a length, an origin or a tool's name could be spelled in ways that no proxy before us reads as we do. This puts "25"
// behind each "%" of them, so that what it decodes is what was sent. It reads a request's head byte by byte.
class FieldEscape {
 public:
  // Bytes that come before the next one of the source.
  bool owes() const { return owed_ > 0; }
  char owed() { return owed_-- == 2 ? '2' : '5'; }
  // Each byte of the source, as it is read.
  void take(char byte) {
    if (part_ == Part::kBody) return;
    const bool ends_line = byte == '\n' && before_ == '\r';
    if (byte == '%' && part_ == Part::kFields) owed_ = 2;
    if (ends_line) {
      part_ = part_ == Part::kFields && line_size_ == 1 ? Part::kBody : Part::kFields;
      line_size_ = 0;
    } else {
      ++line_size_;
    }
    before_ = byte;
  }

 private:
  enum class Part { kRequestLine, kFields, kBody };
  Part part_ = Part::kRequestLine;
  size_t line_size_ = 0;  // bytes of the line so far
  char before_ = 0;
  int owed_ = 0;
};

// What a stream's bytes are on the socket: themselves, or what encrypts them.
enum class Wire { kPlain, kTls };

// A request's stream on such a connection. Owns neither. A plain socket is asked before it is waited for: mostly all is
// there when a request is read, and there is room when it is answered.
template <typename Stream>
class AheadStream final : public Stream {
 public:
  AheadStream(Stream& source, ReadAhead& ahead, Wire wire) : source_(source), ahead_(ahead), wire_(wire) {}

  bool is_readable() const override { return escape_.owes() || !ahead_.empty() || source_.is_readable(); }
  bool wait_readable() const override { return escape_.owes() || !ahead_.empty() || source_.wait_readable(); }
  bool wait_writable() const override { return source_.wait_writable(); }
  bool is_peer_alive() const override { return source_.is_peer_alive(); }
  ssize_t read(char* into, size_t size) override {
    if (escape_.owes()) {
      *into = escape_.owed();
      return 1;
    }
    if (size == 1 && !ahead_.empty()) {
      *into = ahead_.take();
      escape_.take(*into);
      return 1;
    }
    const ssize_t count = ahead_.read([this](char* to, size_t most) { return read_more(to, most); }, into, size);
    if (count == 1) escape_.take(*into);
    if (count <= 0) this->error_ = source_.get_error();
    return count;
  }
  ssize_t write(const char* bytes, size_t size) override {
    const ssize_t count =
        wire_ == Wire::kPlain ? ::send(source_.socket(), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    return count > 0 ? count : source_.write(bytes, size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { source_.get_remote_ip_and_port(ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { source_.get_local_ip_and_port(ip, port); }
  int socket() const override { return source_.socket(); }
  time_t duration() const override { return source_.duration(); }
  void set_read_timeout(time_t sec, time_t usec) override { source_.set_read_timeout(sec, usec); }

 private:
  ssize_t read_more(char* into, size_t size) {
    const ssize_t count = wire_ == Wire::kPlain ? ::recv(source_.socket(), into, size, MSG_DONTWAIT) : 0;
    return count > 0 ? count : source_.read(into, size);
  }

  Stream& source_;
  ReadAhead& ahead_;
  const Wire wire_;
  FieldEscape escape_;
};

// Serves the requests of one connection, one after the other, and returns what the last one did. `comes` waits for the
// first byte of the next; false: there is none. `serve(ahead, is_last, ends)` serves one whose stream reads by way of
// `ahead`, and sets `ends` when no other may follow; false: it could not, and none follows.
template <typename Comes, typename Serve>
bool serve_requests(size_t requests_max, const Comes& comes, const Serve& serve) {
  ReadAhead ahead;
  bool served = false;
  bool ends = false;
  for (size_t left = requests_max; left > 0 && !ends; --left) {
    ahead.settle();
    if (ahead.empty() && !comes()) break;
    served = serve(ahead, left == 1, ends);
    ends = ends || !served;
  }
  return served;
}

}  // namespace khipu::os
