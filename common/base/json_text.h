// JSON text whose bytes depend on nothing but the values: keys in the order of the calls, numbers
// as the shortest decimal that reads back to the same double. For files that are compared byte by
// byte; reading is nlohmann-json's job.
//
//   std::string line = JsonObject()
//                          .Add("step", int64_t{100})
//                          .Add("loss", 0.25)
//                          .Add("method", "mc_sgd")
//                          .Text();  // {"step":100,"loss":0.25,"method":"mc_sgd"}
#ifndef PERENNIAL_COMMON_BASE_JSON_TEXT_H_
#define PERENNIAL_COMMON_BASE_JSON_TEXT_H_

#include <concepts>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial::base {

// True for UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates.
bool IsUtf8(absl::string_view text);

// A quoted JSON string. Bytes that are not UTF-8 become U+FFFD, control characters \u00xx.
std::string JsonString(absl::string_view text);

// The shortest text that reads back to the same double; null for NaN and infinities, which JSON
// lacks.
std::string JsonNumber(double value);

// The shortest text that reads back to the same float.
std::string JsonNumber(float value);

// [1,0.5,null]
std::string JsonArray(absl::Span<const double> values);
// ["a","b"]
std::string JsonArray(absl::Span<const std::string> values);

// A JSON object built key by key; a key is expected once.
class JsonObject {
 public:
  JsonObject& Add(absl::string_view key, absl::string_view value) {
    return AddRaw(key, JsonString(value));
  }
  JsonObject& Add(absl::string_view key, const char* value) {
    return AddRaw(key, JsonString(value));
  }
  JsonObject& Add(absl::string_view key, const std::string& value) {
    return AddRaw(key, JsonString(value));
  }
  JsonObject& Add(absl::string_view key, bool value) {
    return AddRaw(key, value ? "true" : "false");
  }
  template <std::floating_point T>
  JsonObject& Add(absl::string_view key, T value) {
    return AddRaw(key, JsonNumber(value));
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonObject& Add(absl::string_view key, T value) {
    return AddRaw(key, std::to_string(value));
  }
  // `json` must itself be JSON text: an object, an array, null.
  JsonObject& AddRaw(absl::string_view key, absl::string_view json);

  bool empty() const { return body_.empty(); }
  // The object's text, in one line.
  std::string Text() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_JSON_TEXT_H_
