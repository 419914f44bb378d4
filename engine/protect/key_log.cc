#include "engine/protect/key_log.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace khipu::protect {
namespace {

Error contradiction(std::string_view name, const std::string& why) {
  return Error{Code::kCorrupt, "key statement of '" + std::string(name) + "': " + why};
}

}  // namespace

uint32_t token_version_of(const codec::KeyStatement& statement) {
  constexpr std::string_view kPrefix = "tokens/";
  uint32_t version = 0;
  if (!statement.name.starts_with(kPrefix)) return 0;
  const char* const end = statement.name.data() + statement.name.size();
  const auto parsed = std::from_chars(statement.name.data() + kPrefix.size(), end, version);
  return parsed.ec == std::errc() && parsed.ptr == end ? version : 0;
}

void KeyLog::put_file(const std::string& name, const File& file, Changes* changes) {
  if (changes != nullptr) {
    const File* const before = this->file(name);
    changes->files.emplace_back(name, before != nullptr ? std::optional(*before) : std::nullopt);
  }
  files_.insert_or_assign(name, file);
}

void KeyLog::set_state(const std::string& name, State state, Changes* changes) {
  File file = files_.at(name);
  file.state = state;
  put_file(name, file, changes);
}

Result<void> KeyLog::apply(const codec::KeyStatement& statement, Changes* changes) {
  using codec::KeyAction;
  switch (statement.action) {
    case KeyAction::kAddVerifier:
    case KeyAction::kRetireVerifier: return {};
    case KeyAction::kAddRecipient:
      if (!recipients_.emplace(statement.name, statement.key).second) {
        return contradiction(statement.name, "this recipient was there already");
      }
      if (changes != nullptr) changes->recipients.emplace_back(statement.name, std::nullopt);
      return {};
    case KeyAction::kRetireRecipient: {
      const auto known = recipients_.find(statement.name);
      if (known == recipients_.end()) return contradiction(statement.name, "there is no such recipient");
      if (changes != nullptr) changes->recipients.emplace_back(known->first, known->second);
      recipients_.erase(known);
      return {};
    }
    case KeyAction::kTokenDay:
      if (changes != nullptr) changes->token_days.emplace_back(token_day_, token_version_);
      token_day_ = std::max(token_day_, statement.day);
      token_version_ = std::max(token_version_, token_version_of(statement));
      return {};
    default: break;
  }
  const std::optional<WrappedName> name = WrappedName::parse(statement.name);
  if (!name) return contradiction(statement.name, "not the name of a file in keys/");
  const File file{*name, statement.key, statement.file_sha256, statement.recipients, State::kCurrent};
  if (statement.action == KeyAction::kRewrap) {
    const File* const before = this->file(statement.replaces);
    if (before == nullptr) return contradiction(statement.name, "it takes the place of a file nobody named");
    if (before->state != State::kCurrent || before->name.kind != name->kind || before->name.number != name->number ||
        before->name.generation >= name->generation) {
      return contradiction(statement.name, "it takes the place of a file that is not the one before it");
    }
    if (before->commitment != file.commitment) return contradiction(statement.name, "it holds another key");
    set_state(statement.replaces, State::kReplaced, changes);
  } else {
    const WrappedKind wanted = statement.action == KeyAction::kDataKey ? WrappedKind::kData : WrappedKind::kSubject;
    if (name->kind != wanted) return contradiction(statement.name, "the name of another kind of file");
    if (name->number <= last_number_) return contradiction(statement.name, "its number was given before");
    if (changes != nullptr) changes->last_numbers.push_back(last_number_);
    last_number_ = name->number;
  }
  std::string& newest = newest_[name->number];
  if (changes != nullptr) {
    changes->newest.emplace_back(name->number, newest.empty() ? std::nullopt : std::optional(newest));
  }
  newest = statement.name;
  put_file(statement.name, file, changes);
  return {};
}

Result<void> KeyLog::apply(const codec::Statement& statement, Changes* changes) {
  if (const auto* key = std::get_if<codec::KeyStatement>(&statement)) return apply(*key, changes);
  if (const auto* shred = std::get_if<codec::Shred>(&statement)) return apply(*shred, changes);
  return {};
}

Result<void> KeyLog::apply(const codec::Shred& statement, Changes* changes) {
  std::set<uint32_t> numbers;
  for (const std::string& file_name : statement.files) {
    const File* const found = file(file_name);
    if (found == nullptr) return contradiction(file_name, "shredded, and nobody named it before");
    numbers.insert(found->name.number);
  }
  for (const auto& [name, file] : files_) {
    if (numbers.contains(file.name.number)) set_state(name, State::kShredded, changes);
  }
  return {};
}

void KeyLog::take_back(const Changes& changes) {
  const auto restore = [](auto& map, const auto& before) {
    for (auto change = before.rbegin(); change != before.rend(); ++change) {
      if (change->second) {
        map.insert_or_assign(change->first, *change->second);
      } else {
        map.erase(change->first);
      }
    }
  };
  restore(files_, changes.files);
  restore(newest_, changes.newest);
  restore(recipients_, changes.recipients);
  if (!changes.last_numbers.empty()) last_number_ = changes.last_numbers.front();
  if (!changes.token_days.empty()) std::tie(token_day_, token_version_) = changes.token_days.front();
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
