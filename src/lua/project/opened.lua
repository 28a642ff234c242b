function(one)
  -- An item of `open`: a socket's id, its user and its scopes. Returns what is wrong with it, or nil and how many operations it is.
  local last = type(one) == 'table' and #one or 0
  if last < 3 then return 'something that is no list' end
  local bytes = 0
  for i = 1, last do
    local text = one[i]
    if type(text) ~= 'string' then return 'something that is no text' end
    if i <= 2 then
      if #text > ID_BYTES_MAX then return 'an id that is too long' end
    else
      if byte(text) ~= 47 or #text > SCOPE_BYTES_MAX then return 'no scope' end
      bytes = bytes + #text
    end
  end
  if one[1] == '' then return 'an empty id' end
  if last - 2 > SOCKET_SCOPES_MAX or bytes > SOCKET_SCOPES_BYTES_MAX then return 'too many scopes' end
  return nil, 1 + math.ceil((last - 2) / SOCKET_SCOPES_PER_OPERATION)
end
