-- careful: records applied one by one, where the quick way would believe too much. It is rare (see `ordinary`), reads the
-- counts a second time, and passes over each operation a few times more: bounded as the quick way is (INV-7).

-- Would any count have been negative on the way?
local function falls_short()
  for place, n in pairs(low) do
    if (before[place] or 0) + n < 0 then return true end
  end
  return false
end

-- Forgets the sums and sets every user's to 0, which also makes all of them odd: each one's count is looked at.
local function start_over()
  for at = 1, positions do net[at] = 0 end
  for number = 1, guests do net[-number] = 0 end
  cause_at, fell_in, ordinary = {}, {}, false
  load_counts()
end

-- The operations of a record, first to last: name, place (nil: anonymous), step, position.
local function operation(record, i)
  local name, at = record.fields[i], position[record.fields[i + 1]]
  local place = at
  if at == 0 then place = nil elseif at < record.first or at > record.last then place = place_of(record.of, at) end
  return name, place, STEP[name], at
end

-- Takes back the operations of a record up to fields[to]. The sums of its process are as they were before it.
local function undo(record, to)
  for i = record.from, to, 2 do
    local _, place, step = operation(record, i)
    if place then net[place] = net[place] - step end
  end
end

-- Keeps what took users' sockets away: the last word decides between grace and going at once.
local function note_falls(record, number)
  for i = record.from, record.to, 2 do
    local name, place, step, at = operation(record, i)
    if place and step < 0 then cause_at[at], fell_in[at] = name, number end
  end
end

-- All of the record, `number` of those in hand, or nothing of it. Returns nil, or why the process has to be fenced.
local function apply(record, number)
  for i = record.from, record.to, 2 do
    local _, place, step = operation(record, i)
    if place then
      net[place] = net[place] + step
      if (before[place] or 0) + net[place] < 0 then
        undo(record, i)
        return 'a count would go negative'
      end
    end
  end
  local process = record.of
  local sockets, anonymous = process.sockets + record.sum, process.anonymous + record.anonymous
  if anonymous < 0 or sockets ~= record.sockets then
    undo(record, record.to)
    return 'check digit: sockets ' .. decimal[record.sockets] .. ' declared, ' .. decimal[sockets] .. ' counted'
  end
  local operations = (record.to + 1 - record.from) / 2
  if record.sum < operations then note_falls(record, number) end
  total_sockets = total_sockets + sockets - process.sockets
  process.sockets, process.anonymous, process.seq = sockets, anonymous, record.seq
  if record.connections then
    total_connections = total_connections + record.connections - process.connections
    process.connections = record.connections
  end
  did.operations = did.operations + operations
  return nil
end

-- Once all records are applied.
local function settle_all()
  for m = 1, #shares do
    shares[m].first = sames + 1
    settle(shares[m])
  end
end
