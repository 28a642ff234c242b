function(text)
  -- Is all of `text` UTF-8 (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF)?
  local at = 1
  while true do
    local from = find(text, '[\128-\255]', at)
    if not from then return true end
    local a, b, c, d = byte(text, from, from + 3)
    b, c, d = b or 0, c or 0, d or 0
    if a >= 194 and a <= 223 then
      if b < 128 or b > 191 then return false end
      at = from + 2
    elseif a >= 224 and a <= 239 then
      local low, high = a == 224 and 160 or 128, a == 237 and 159 or 191
      if b < low or b > high or c < 128 or c > 191 then return false end
      at = from + 3
    elseif a >= 240 and a <= 244 then
      local low, high = a == 240 and 144 or 128, a == 244 and 143 or 191
      if b < low or b > high or c < 128 or c > 191 or d < 128 or d > 191 then return false end
      at = from + 4
    else return false end
  end
end
