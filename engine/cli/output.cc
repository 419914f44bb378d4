#include "engine/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/base/visible.h"

namespace khipu::cli {

void Output::print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), out_); }

void Output::line(std::string_view text) {
  print(text);
  print("\n");
}

void Output::document(const nlohmann::ordered_json& document) {
  std::string text;
  append_visible_json(text, document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  line(text);
}

void Output::note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), err_);
  std::fputc('\n', err_);
}

Result<void> Output::check() {
  if (std::fflush(out_) != 0 || std::ferror(out_) != 0) {
    return Error{Code::kIo, std::string("writing to stdout: ") + std::strerror(errno)};
  }
  return {};
}

namespace {

int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  char buffer[16];
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    const size_t size = c.size == 0 ? 1 : c.size;
    if (c.size == 0 || (c.value < 0x100 && !is_visible(c.value))) {
      std::snprintf(buffer, sizeof buffer, "\\x%02X", c.size == 0 ? static_cast<uint8_t>(text[0]) : c.value);
      out += buffer;
    } else if (!is_visible(c.value)) {
      std::snprintf(buffer, sizeof buffer, "\\u{%X}", c.value);
      out += buffer;
    } else if (c.value == '\\') {
      out += "\\\\";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

std::string human_size(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %s", value, kUnits[unit]);
  return buffer;
}

Progress::Progress(std::string what, std::FILE* err)
    : what_(std::move(what)),
      err_(err),
      terminal_(isatty(fileno(err)) == 1),
      started_ms_(now_ms()),
      last_ms_(started_ms_) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", err_);
}

void Progress::update(uint64_t done, uint64_t total) {
  if (!terminal_) return;
  const int64_t now = now_ms();
  if (now - started_ms_ < 1000 || now - last_ms_ < 100) return;
  last_ms_ = now;
  drawn_ = true;
  if (total == 0) {
    std::fprintf(err_, "\r\033[K%s: %llu", what_.c_str(), static_cast<unsigned long long>(done));
  } else {
    const double share = done >= total ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    constexpr int kWidth = 30;
    const int filled = static_cast<int>(share * kWidth);
    std::fprintf(err_, "\r\033[K%s [%.*s%*s] %3d%%", what_.c_str(), filled, "##############################",
                 kWidth - filled, "", static_cast<int>(share * 100));
  }
  std::fflush(err_);
}

}  // namespace khipu::cli
