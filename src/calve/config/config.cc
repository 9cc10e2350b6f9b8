#include "calve/config/config.h"

#include "calve/source/introspection.h"

namespace calve::config {

std::string ConstantConfig::Expression() const {
  if (!value) return expr;
  return value->kind == Scalar::Kind::kText ? source::QuoteString(value->text) : value->text;
}

}  // namespace calve::config
