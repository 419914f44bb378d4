#include "mcp/jsonrpc/parse.h"

#include <utility>

namespace khipu::mcp::jsonrpc {
namespace {

// Four megabytes of "[]," would be a hundred of values, for each of a few hundred clients at once.
constexpr size_t kValuesMax = 100'000;

// Builds a value from parser events and notes the first thing wrong with it. nlohmann's own builder keeps the last of
// two members with one name, and stops nowhere; its event parser is not recursive, so depth costs no stack.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(size_t depth_max) : depth_max_(depth_max) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (skipping_ > 0 || values_ > kValuesMax) return true;
    const auto [member, inserted] = stack_.back()->get_ref<Json::object_t&>().emplace(std::move(name), nullptr);
    slot_ = &member->second;
    skip_next_ = !inserted;
    if (!inserted) note("an object names one member twice");
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  Json take_root() { return std::move(root_); }
  const std::string& defect() const { return defect_; }

 private:
  void note(const char* defect) {
    if (defect_.empty()) defect_ = defect;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (!stack_.back()->is_array()) {
      *slot_ = std::move(value);
      return slot_;
    }
    // The element's address holds while it is open: its array does not grow before it is closed.
    stack_.back()->push_back(std::move(value));
    return &stack_.back()->back();
  }

  bool put(Json value) {
    if (skipping_ == 0 && !std::exchange(skip_next_, false) && !is_full()) place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (skipping_ == 0 && stack_.size() == depth_max_) note("nested too deeply");
    if (skipping_ > 0 || stack_.size() == depth_max_ || std::exchange(skip_next_, false) || is_full()) {
      ++skipping_;
    } else {
      stack_.push_back(place(std::move(value)));
    }
    return true;
  }
  bool close() {
    if (skipping_ > 0) {
      --skipping_;
    } else {
      stack_.pop_back();
    }
    return true;
  }

  bool is_full() {
    if (++values_ > kValuesMax) note("more than 100,000 values");
    return values_ > kValuesMax;
  }

  size_t depth_max_;
  size_t values_ = 0;
  Json root_;
  std::vector<Json*> stack_;  // the open containers, from the root
  Json* slot_ = nullptr;      // where the next member of the innermost object goes
  size_t skipping_ = 0;       // open containers that are read but not kept
  bool skip_next_ = false;    // the next value belongs to a repeated name
  std::string defect_;
};

// nlohmann takes a NUL byte for the end of its input, and would not look at what follows.
bool read(std::string_view text, Builder& builder) {
  return text.find('\0') == std::string_view::npos && Json::sax_parse(text, &builder);
}

Invalid invalid(std::optional<Id> id, std::string message) {
  return {std::move(id), ErrorCode::kInvalidRequest, std::move(message)};
}

std::optional<Id> readable_id(const Json& value) {
  if (!value.is_object()) return std::nullopt;
  const auto id = value.find("id");
  return id == value.end() ? std::nullopt : Id::from(*id);
}

Message classify(Json value) {
  if (!value.is_object()) return invalid(std::nullopt, "a message is a JSON object");
  std::optional<Id> id = readable_id(value);
  const auto version = value.find("jsonrpc");
  const bool is_ours =
      version != value.end() && version->is_string() && version->get_ref<const std::string&>() == "2.0";
  if (!is_ours) return invalid(std::move(id), "jsonrpc must be \"2.0\"");

  const auto method = value.find("method");
  if (method == value.end()) {
    if (const auto result = value.find("result"); result != value.end()) {
      if (!value.contains("error")) return Response{std::move(id), std::move(*result)};
      return invalid(std::nullopt, "a response has a result or an error, not both");
    }
    if (value.contains("error")) return Response{std::move(id), std::nullopt};
    return invalid(std::move(id), "a request has a method");
  }
  if (!method->is_string()) return invalid(std::move(id), "method must be a string");
  if (value.contains("id") && !id) return invalid(std::nullopt, "id must be a string or an integer");

  Json params = Json::object();
  if (const auto given = value.find("params"); given != value.end() && !given->is_null()) {
    if (!given->is_object()) return Invalid{std::move(id), ErrorCode::kInvalidParams, "params must be an object"};
    params = std::move(*given);
  }
  auto name = std::move(method->get_ref<std::string&>());
  if (id) return Request{*std::move(id), std::move(name), std::move(params)};
  return Notification{std::move(name), std::move(params)};
}

}  // namespace

Incoming parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.size_bytes_max) {
    return invalid(std::nullopt, "a message has at most " + std::to_string(limits.size_bytes_max) + " bytes");
  }
  Builder builder(limits.depth_max);
  if (!read(text, builder)) {
    return Invalid{std::nullopt, ErrorCode::kParseError, "not one JSON value in UTF-8"};
  }
  Json root = builder.take_root();
  // A structure we did not keep whole is not acted upon, but whoever sent it is told.
  if (!builder.defect().empty()) return invalid(readable_id(root), builder.defect());
  if (!root.is_array()) return classify(std::move(root));

  if (root.empty()) return invalid(std::nullopt, "a batch has at least one message");
  if (root.size() > limits.batch_count_max) {
    return invalid(std::nullopt, "a batch has at most " + std::to_string(limits.batch_count_max) + " messages");
  }
  Batch batch;
  for (Json& element : root) batch.messages.push_back(classify(std::move(element)));
  return batch;
}

std::optional<Json> parse_value(std::string_view text, const Limits& limits) {
  Builder builder(limits.depth_max);
  if (text.size() > limits.size_bytes_max || !read(text, builder)) return std::nullopt;
  if (!builder.defect().empty()) return std::nullopt;
  return builder.take_root();
}

}  // namespace khipu::mcp::jsonrpc
