#include "mcp/protocol/resources.h"

#include <algorithm>

namespace khipu::mcp::protocol {
namespace {

constexpr size_t kUriSizeBytesMax = 2048;

bool is_scheme(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; };
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), fits);
}

// RFC 3986 allows no other byte, raw.
bool is_uri_byte(char c) {
  constexpr std::string_view kOthers = "-._~:/?#[]@!$&'()*+,;=%";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kOthers.find(c) != std::string_view::npos;
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    const size_t end = std::min(path.find_first_of("/?#"), path.size());
    const std::string_view segment = path.substr(0, end);
    if (segment == "." || segment == "..") return true;
    if (end == path.size() || path[end] != '/') return false;
    path.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

OrderedJson resource_json(const ResourceInfo& resource, Revision revision) {
  OrderedJson json = {{"uri", resource.uri}, {"name", resource.name}};
  if (has_titles(revision) && !resource.title.empty()) json["title"] = resource.title;
  if (!resource.description.empty()) json["description"] = resource.description;
  if (!resource.mime_type.empty()) json["mimeType"] = resource.mime_type;
  if (has_annotations(revision) && resource.size) json["size"] = *resource.size;
  if (has_last_modified(revision) && !resource.last_modified.empty()) {
    json["annotations"] = {{"lastModified", resource.last_modified}};
  }
  return json;
}

OrderedJson resource_template_json(const ResourceTemplate& resource, Revision revision) {
  OrderedJson json = {{"uriTemplate", resource.uri_template}, {"name", resource.name}};
  if (has_titles(revision) && !resource.title.empty()) json["title"] = resource.title;
  if (!resource.description.empty()) json["description"] = resource.description;
  if (!resource.mime_type.empty()) json["mimeType"] = resource.mime_type;
  return json;
}

OrderedJson read_result_json(const ReadResult& result) {
  OrderedJson json = {{"contents", OrderedJson::array()}};
  for (const ResourceContents& contents : result.contents) json["contents"].push_back(contents_json(contents));
  if (!result.meta.is_null()) json["_meta"] = result.meta;
  return json;
}

Result<std::string> parse_uri(const Json& params) {
  const auto given = params.find("uri");
  if (given == params.end() || !given->is_string()) return Error{Code::kInvalid, "needs params.uri, a string"};
  const auto& uri = given->get_ref<const std::string&>();
  const size_t colon = uri.find(':');
  if (uri.size() > kUriSizeBytesMax || colon == std::string::npos || colon + 1 == uri.size() ||
      !is_scheme(std::string_view(uri).substr(0, colon)) || !std::all_of(uri.begin(), uri.end(), is_uri_byte)) {
    return Error{Code::kInvalid, "params.uri must be a URI with a scheme, of at most 2048 bytes"};
  }
  std::string_view path = std::string_view(uri).substr(colon + 1);
  if (path.starts_with("//")) path.remove_prefix(2);
  if (has_dot_segment(path)) return Error{Code::kInvalid, "params.uri must not have . or .. as a segment"};
  return uri;
}

}  // namespace khipu::mcp::protocol
