[
  (map)
  (block)
  (list)
  (arguments)
  (template)
  (block_comment)
] @fold
