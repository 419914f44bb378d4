#include "engine/cli/journal.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/os/service.h"

namespace khipu::cli {
namespace {

constexpr std::string_view kNamePrefix = "journal:";

// The last line of what is added to it.
class LastLine {
 public:
  void add(std::string_view bytes) {
    text_ += bytes;
    const size_t end = text_.size() > 1 ? text_.rfind('\n', text_.size() - 2) : std::string::npos;
    if (end != std::string::npos) text_.erase(0, end + 1);
  }
  std::string_view text() const { return text_; }

 private:
  std::string text_;
};

std::string cursor_of(std::string_view entry) {
  const auto json = nlohmann::json::parse(entry, nullptr, false);
  if (!json.is_object()) return {};
  const auto cursor = json.find("__CURSOR");
  return cursor != json.end() && cursor->is_string() ? cursor->get<std::string>() : std::string();
}

}  // namespace

bool is_journal_name(std::string_view name) { return name.starts_with(kNamePrefix); }

std::string journal_cursor(std::span<const codec::Import> earlier) {
  std::string cursor;
  for (const codec::Import& import : earlier) {
    if (!import.done || import.format != "journald" || !is_journal_name(import.source)) continue;
    cursor = import.source.substr(kNamePrefix.size());
  }
  return cursor;
}

Result<std::string> read_journal(const std::string& cursor, Spool& into, const std::function<bool()>& is_cancelled) {
  std::vector<std::string> words{"journalctl", "-o", "json", "--all", "--no-pager", "--quiet"};
  if (!cursor.empty()) words.push_back("--after-cursor=" + cursor);
  LastLine last;
  const auto keep = [&](std::string_view bytes) -> Result<void> {
    if (is_cancelled()) return Error{Code::kCancelled, "interrupted"};
    last.add(bytes);
    return into.append(bytes);
  };
  const Result<void> read = os::run_and_read(words, keep);
  if (!read.ok() && read.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "there is no journalctl on this machine, so there is no journal to import"};
  }
  KHIPU_TRY(read);
  const std::string end = cursor_of(last.text());
  return end.empty() ? "journal" : std::string(kNamePrefix) + end;
}

}  // namespace khipu::cli
