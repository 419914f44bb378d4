#include "engine/access/reporter.h"

#include <algorithm>
#include <chrono>

#include "engine/base/utf8.h"

namespace khipu::access {
namespace {

constexpr size_t kAnswerSizeMax = 16384;
constexpr size_t kIdleMax = 8;
constexpr size_t kTextMax = 256;  // of caller, client: told by others, and the record is bounded

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

// The writer takes text that is UTF-8 and nothing else: who calls, and by what name, must not decide whether a read is
// recorded.
void fit(std::string& text) {
  if (!valid_utf8(as_bytes(text))) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  }
  text.resize(whole_characters(text, kTextMax));
}

// The writer's words behind a refusal: one line, bounded.
std::string words_of(std::string_view answer) {
  constexpr size_t kWordsMax = 300;
  const size_t head = answer.find("\r\n\r\n");
  std::string words(head == std::string_view::npos ? "" : answer.substr(head + 4, kWordsMax));
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c < 0x20 || c > 0x7e; }, ' ');
  return words;
}

// The length of the body that follows `head` (status line and headers); nullopt when it does not say.
std::optional<size_t> body_size(std::string_view head) {
  const std::string headers = lower(head);
  constexpr std::string_view kName = "\r\ncontent-length:";
  size_t at = headers.find(kName);
  if (at == std::string::npos) return std::nullopt;
  at += kName.size();
  while (at < headers.size() && headers[at] == ' ') ++at;
  size_t size = 0, digits = 0;
  for (; at < headers.size() && headers[at] >= '0' && headers[at] <= '9' && digits < 6; ++at, ++digits) {
    size = size * 10 + static_cast<size_t>(headers[at] - '0');
  }
  if (digits == 0 || size > kAnswerSizeMax) return std::nullopt;
  return size;
}

}  // namespace

Result<os::LocalStream> Reporter::take() {
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      os::LocalStream stream = std::move(idle_.back());
      idle_.pop_back();
      if (!stream.is_stale()) return stream;
    }
  }
  KHIPU_TRY_ASSIGN(const os::SocketPath path, os::SocketPath::make(root_path_, kSocketName));
  return os::LocalStream::connect(path, timeout_ms_);
}

Result<void> Reporter::post(os::LocalStream& stream, std::string_view body) const {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms_);
  const auto left_ms = [&] {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(0, left));
  };
  std::string request =
      "POST /v1/access HTTP/1.1\r\nHost: khipu\r\nContent-Type: application/cbor\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n";
  request += body;
  KHIPU_TRY(stream.send(request, left_ms()));
  std::string answer;
  while (true) {
    const size_t head = answer.find("\r\n\r\n");
    if (head != std::string::npos) {
      const std::optional<size_t> size = body_size(std::string_view(answer).substr(0, head + 2));
      if (!size) return Error{Code::kIo, "access.sock: an answer without a length"};
      if (answer.size() >= head + 4 + *size) break;
    }
    if (answer.size() > 2 * kAnswerSizeMax) return Error{Code::kIo, "access.sock: an answer without end"};
    KHIPU_TRY_ASSIGN(const std::string more, stream.receive(4096, left_ms()));
    if (more.empty()) return Error{Code::kIo, "access.sock: the writer closed the connection"};
    answer += more;
  }
  if (!answer.starts_with("HTTP/1.1 ")) return Error{Code::kIo, "access.sock: not an answer"};
  const std::string_view status = std::string_view(answer).substr(9, 3);
  if (status == "200") return {};
  return Error{status == "403" ? Code::kForbidden : Code::kIo,
               "access.sock: the writer answered " + std::string(status) + ": " + words_of(answer)};
}

Result<void> Reporter::report(codec::AccessRecord record) {
  record.uid = {};
  record.recorded_at = 0;
  record.reporter = 0;
  for (std::string* text : {&record.caller, &record.tool, &record.client, &record.code}) fit(*text);
  Buffer body;
  codec::encode_access(body, record);
  if (body.size() > codec::kAccessSizeBytesMax) return Error{Code::kLimit, "access record"};
  KHIPU_TRY_ASSIGN(os::LocalStream stream, take());
  KHIPU_TRY(post(stream, as_text(body)));
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(stream));
  return {};
}

}  // namespace khipu::access
