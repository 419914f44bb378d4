#include "mcp/jsonrpc/parse.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "engine/base/utf8.h"
#include "mcp/jsonrpc/scanner.h"

namespace khipu::mcp::jsonrpc {
namespace {

// Four megabytes of "[]," would be a hundred of values, for each of a few hundred clients at once.
constexpr size_t kValuesMax = 100'000;

// The members of a message that mean something, each in a place of its own: a map of them is made of many small pieces.
struct Members {
  enum Name { kVersion, kId, kMethod, kParams, kResult, kError, kNone };
  static constexpr std::array<std::string_view, kNone> kNames{"jsonrpc", "id", "method", "params", "result", "error"};

  static Members of(Json object) {
    Members members;
    for (size_t name = 0; name < kNone; ++name) {
      const auto found = object.find(kNames[name]);
      members.is_given[name] = found != object.end();
      if (members.is_given[name]) members.values[name] = std::move(*found);
    }
    return members;
  }
  // Where the value of a member goes; nullptr: it was named before.
  Json* place(std::string_view member) {
    const auto known = std::find(kNames.begin(), kNames.end(), member);
    if (known == kNames.end()) return others.emplace(member).second ? &ignored : nullptr;
    const auto name = static_cast<size_t>(known - kNames.begin());
    return std::exchange(is_given[name], true) ? nullptr : &values[name];
  }

  std::array<Json, kNone> values;
  std::array<bool, kNone> is_given{};
  std::set<std::string, std::less<>> others;
  Json ignored;
};

// Puts together what a text holds and notes the first thing wrong with it. Depth costs no stack.
class Builder {
 public:
  // `members`: of an object that is the whole text; nullptr: it is a value like any other.
  Builder(size_t depth_max, Members* members) : depth_max_(depth_max), members_(members) { stack_.reserve(16); }

  void name(std::string_view name) {
    if (skipping_ > 0 || values_ > kValuesMax) return;
    if (Json* object = stack_.back()) {
      const auto [member, inserted] = object->get_ref<Json::object_t&>().try_emplace(std::string(name), nullptr);
      slot_ = inserted ? &member->second : nullptr;
    } else {
      slot_ = members_->place(name);
    }
    skip_next_ = slot_ == nullptr;
    if (skip_next_) note("an object names one member twice");
  }
  void put(Json&& value) {
    if (skipping_ == 0 && !std::exchange(skip_next_, false) && !is_full()) place(std::move(value));
  }
  void open(bool is_array) {
    if (skipping_ == 0 && stack_.size() == depth_max_) note("nested too deeply");
    if (skipping_ > 0 || stack_.size() == depth_max_ || std::exchange(skip_next_, false) || is_full()) {
      ++skipping_;
    } else if (stack_.empty() && !is_array && members_ != nullptr) {
      is_message_ = true;
      stack_.push_back(nullptr);
    } else {
      stack_.push_back(place(is_array ? Json::array() : Json::object()));
    }
  }
  void close() {
    if (skipping_ > 0) {
      --skipping_;
    } else {
      stack_.pop_back();
    }
  }

  bool is_message() const { return is_message_; }  // the text is an object, and its members are in `members`
  Json take_root() { return std::move(root_); }
  const std::string& defect() const { return defect_; }

 private:
  void note(const char* defect) {
    if (defect_.empty()) defect_ = defect;
  }

  Json* place(Json&& value) {
    if (stack_.empty()) {
      root_.swap(value);
      return &root_;
    }
    if (stack_.back() == nullptr || !stack_.back()->is_array()) {
      slot_->swap(value);
      return slot_;
    }
    // The element's address holds while it is open: its array does not grow before it is closed.
    stack_.back()->push_back(std::move(value));
    return &stack_.back()->back();
  }

  bool is_full() {
    if (++values_ > kValuesMax) note("more than 100,000 values");
    return values_ > kValuesMax;
  }

  size_t depth_max_;
  Members* members_;
  bool is_message_ = false;
  size_t values_ = 0;
  Json root_;
  std::vector<Json*> stack_;  // the open containers, from the root; nullptr: the message
  Json* slot_ = nullptr;      // where the next member of the innermost object goes
  size_t skipping_ = 0;       // open containers that are read but not kept
  bool skip_next_ = false;    // the next value belongs to a repeated name
  std::string defect_;
};

bool read_name(Scanner& scanner, Builder& builder) {
  if (scanner.peek() != '"') return false;
  const std::optional<std::string_view> name = scanner.string();
  if (!name) return false;
  builder.name(*name);
  return scanner.take(':');
}

bool read_scalar(Scanner& scanner, Builder& builder, char first) {
  if (first == '"') {
    const std::optional<std::string_view> text = scanner.string();
    if (text) builder.put(std::string(*text));
    return text.has_value();
  }
  std::optional<Json> value = first == '-' || (first >= '0' && first <= '9') ? scanner.number() : scanner.literal();
  if (value) builder.put(*std::move(value));
  return value.has_value();
}

// False: not one JSON value in UTF-8.
bool read(std::string_view text, Builder& builder) {
  if (!valid_utf8(as_bytes(text))) return false;
  Scanner scanner(text);
  std::string closers;  // of the open containers, from the root
  while (true) {
    const char first = scanner.peek();
    if (first == '{' || first == '[') {
      const bool is_array = first == '[';
      scanner.take(first);
      builder.open(is_array);
      closers += is_array ? ']' : '}';
      if (scanner.peek() != closers.back()) {
        if (!is_array && !read_name(scanner, builder)) return false;
        continue;
      }
    } else if (!read_scalar(scanner, builder, first)) {
      return false;
    }
    while (!closers.empty() && scanner.take(closers.back())) {
      builder.close();
      closers.pop_back();
    }
    if (closers.empty()) return scanner.is_at_end();
    if (!scanner.take(',')) return false;
    if (closers.back() == '}' && !read_name(scanner, builder)) return false;
  }
}

Invalid invalid(std::optional<Id> id, std::string message) {
  return {std::move(id), ErrorCode::kInvalidRequest, std::move(message)};
}

std::optional<Id> readable_id(const Members& members) {
  return members.is_given[Members::kId] ? Id::from(members.values[Members::kId]) : std::nullopt;
}

// Of a request. An answer to us has one of our ids: an error under it would reach a request of the peer's own.
std::optional<Id> asked_id(const Members& members) {
  const bool answers = members.is_given[Members::kResult] || members.is_given[Members::kError];
  return answers && !members.is_given[Members::kMethod] ? std::nullopt : readable_id(members);
}

Message classify(Members& members) {
  std::optional<Id> id = readable_id(members);
  const Json& version = members.values[Members::kVersion];  // null if it is not given, as are the others
  const bool is_ours = version.is_string() && version.get_ref<const std::string&>() == "2.0";
  if (!is_ours) return invalid(asked_id(members), "jsonrpc must be \"2.0\"");

  const bool has_error = members.is_given[Members::kError];
  if (!members.is_given[Members::kMethod]) {
    if (members.is_given[Members::kResult]) {
      if (!has_error) return Response{std::move(id), std::move(members.values[Members::kResult])};
      return invalid(std::nullopt, "a response has a result or an error, not both");
    }
    if (has_error) return Response{std::move(id), std::nullopt};
    return invalid(std::move(id), "a request has a method");
  }
  Json& method = members.values[Members::kMethod];
  if (!method.is_string()) return invalid(std::move(id), "method must be a string");
  if (members.is_given[Members::kId] && !id) return invalid(std::nullopt, "id must be a string or an integer");

  Json& params = members.values[Members::kParams];
  if (params.is_null()) params = Json::object();
  if (!params.is_object()) return Invalid{std::move(id), ErrorCode::kInvalidParams, "params must be an object"};
  auto name = std::move(method.get_ref<std::string&>());
  if (id) return Request{*std::move(id), std::move(name), std::move(params)};
  return Notification{std::move(name), std::move(params)};
}

Message classify(Json value) {
  if (!value.is_object()) return invalid(std::nullopt, "a message is a JSON object");
  Members members = Members::of(std::move(value));
  return classify(members);
}

}  // namespace

Incoming parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.size_bytes_max) {
    return invalid(std::nullopt, "a message has at most " + std::to_string(limits.size_bytes_max) + " bytes");
  }
  Members members;
  Builder builder(limits.depth_max, &members);
  if (!read(text, builder)) {
    return Invalid{std::nullopt, ErrorCode::kParseError, "not one JSON value in UTF-8"};
  }
  // A structure we did not keep whole is not acted upon, but whoever sent it is told.
  if (!builder.defect().empty()) return invalid(asked_id(members), builder.defect());
  if (builder.is_message()) return classify(members);
  Json root = builder.take_root();
  if (!root.is_array()) return classify(std::move(root));

  if (root.empty()) return invalid(std::nullopt, "a batch has at least one message");
  if (root.size() > limits.batch_count_max) {
    Invalid refused =
        invalid(std::nullopt, "a batch has at most " + std::to_string(limits.batch_count_max) + " messages");
    for (Json& element : root) {
      const Message message = classify(std::move(element));
      if (const auto* request = std::get_if<Request>(&message)) refused.batch_ids.push_back(request->id);
    }
    return refused;
  }
  Batch batch;
  for (Json& element : root) batch.messages.push_back(classify(std::move(element)));
  return batch;
}

std::optional<Json> parse_value(std::string_view text, const Limits& limits) {
  Builder builder(limits.depth_max, nullptr);
  if (text.size() > limits.size_bytes_max || !read(text, builder)) return std::nullopt;
  if (!builder.defect().empty()) return std::nullopt;
  return builder.take_root();
}

}  // namespace khipu::mcp::jsonrpc
