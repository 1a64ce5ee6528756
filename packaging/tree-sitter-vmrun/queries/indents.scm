[
  (map)
  (block)
  (list)
  (arguments)
] @indent.begin @indent

[
  "}"
  "]"
  ")"
] @indent.branch @outdent
