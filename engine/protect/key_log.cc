#include "engine/protect/key_log.h"

#include <algorithm>

namespace khipu::protect {
namespace {

Error contradiction(std::string_view name, const std::string& why) {
  return Error{Code::kCorrupt, "key statement of '" + std::string(name) + "': " + why};
}

}  // namespace

Result<void> KeyLog::apply(const codec::KeyStatement& statement) {
  using codec::KeyAction;
  switch (statement.action) {
    case KeyAction::kAddVerifier:
    case KeyAction::kRetireVerifier: return {};
    case KeyAction::kAddRecipient:
      if (!recipients_.emplace(statement.name, statement.key).second) {
        return contradiction(statement.name, "this recipient was there already");
      }
      return {};
    case KeyAction::kRetireRecipient:
      if (recipients_.erase(statement.name) == 0) return contradiction(statement.name, "there is no such recipient");
      return {};
    case KeyAction::kTokenDay: token_day_ = std::max(token_day_, statement.day); return {};
    default: break;
  }
  const std::optional<WrappedName> name = WrappedName::parse(statement.name);
  if (!name) return contradiction(statement.name, "not the name of a file in keys/");
  File file{*name, statement.key, statement.file_sha256, statement.recipients, State::kCurrent};
  if (statement.action == KeyAction::kRewrap) {
    const auto old = files_.find(statement.replaces);
    if (old == files_.end()) return contradiction(statement.name, "it takes the place of a file nobody named");
    const File& before = old->second;
    if (before.state != State::kCurrent || before.name.kind != name->kind || before.name.number != name->number ||
        before.name.generation >= name->generation) {
      return contradiction(statement.name, "it takes the place of a file that is not the one before it");
    }
    if (before.commitment != file.commitment) return contradiction(statement.name, "it holds another key");
    old->second.state = State::kReplaced;
  } else {
    const WrappedKind wanted = statement.action == KeyAction::kDataKey ? WrappedKind::kData : WrappedKind::kSubject;
    if (name->kind != wanted) return contradiction(statement.name, "the name of another kind of file");
    if (name->number <= last_number_) return contradiction(statement.name, "its number was given before");
    last_number_ = name->number;
  }
  newest_[name->number] = statement.name;
  files_.emplace(statement.name, file);
  return {};
}

Result<void> KeyLog::apply(const codec::Statement& statement) {
  if (const auto* key = std::get_if<codec::KeyStatement>(&statement)) return apply(*key);
  if (const auto* shred = std::get_if<codec::Shred>(&statement)) return apply(*shred);
  return {};
}

Result<void> KeyLog::apply(const codec::Shred& statement) {
  for (const std::string& file_name : statement.files) {
    const auto found = files_.find(file_name);
    if (found == files_.end()) return contradiction(file_name, "shredded, and nobody named it before");
    const uint32_t number = found->second.name.number;
    for (auto& [name, file] : files_) {
      if (file.name.number == number) file.state = State::kShredded;
    }
  }
  return {};
}

const KeyLog::File* KeyLog::current(uint32_t number) const {
  const auto found = newest_.find(number);
  return found == newest_.end() ? nullptr : file(found->second);
}

const KeyLog::File* KeyLog::file(std::string_view file_name) const {
  const auto found = files_.find(file_name);
  return found == files_.end() ? nullptr : &found->second;
}

}  // namespace khipu::protect
