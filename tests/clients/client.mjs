// HubSpot's official client for Node against the HubSpot twin: carries out calls.txt and writes a verdict for each check.
//
//   ENGINE=target/release/engine node client.mjs CALLS VERDICTS [--dated]
//
// --dated sends what the client means for `/crm/v3/objects/…` to `/crm/objects/2026-09/…`, and so on.
// client.py does the same in Python; what a step means stands in README.md.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

// From the folder in which the packages were installed, which is the current one.
const { Client, Signature } = createRequire(`${process.cwd()}/`)('@hubspot/api-client')
const [, , callsFile, verdictsFile, mode] = process.argv
const dated = mode === '--dated'
const engine = process.env.ENGINE
const secret = 'client-secret'

const deliveries = []
const receiver = createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    deliveries.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
    response.writeHead(200).end()
  })
})
await new Promise((ready) => receiver.listen(0, '127.0.0.1', ready))
const target = `http://127.0.0.1:${receiver.address().port}/hubspot`

const twin = spawn(engine, ['sandbox', 'hubspot', '--listen', '127.0.0.1:0', '--webhook', target, '--limit', '100000'])
twin.stderr.pipe(process.stderr)
const base = await new Promise((ready, fail) => {
  let said = ''
  twin.stdout.on('data', (part) => {
    said += part
    const found = said.match(/listens at (http:\S+)/)
    if (found) ready(found[1])
  })
  twin.on('exit', (code) => fail(new Error(`the twin ended with ${code}`)))
})

/** The client knows numbered paths only; HubSpot has the same calls under dated ones. */
const toDated = {
  pre(context) {
    const url = new URL(context.getUrl())
    url.pathname = url.pathname
      .replace(/^\/crm\/v[34]\/(objects|properties|owners|pipelines|associations)/, '/crm/$1/2026-09')
      .replace(/^\/crm-object-schemas\/v3/, '/crm-object-schemas/2026-09')
      .replace(/^\/webhooks\/v3/, '/app-webhooks/2026-09')
    context.setUrl(url.toString())
    return context
  },
  post: (context) => context,
}

const clientOf = (as = {}) =>
  new Client({
    basePath: base,
    middleware: dated ? [toDated] : [],
    ...('developer' in as ? { developerApiKey: as.developer } : as.token === null ? {} : { accessToken: as.token ?? 'hubspot-token' }),
    ...(as.retries ? { numberOfApiCallRetries: as.retries } : {}),
  })

const kept = {}

/** `$name` is what was kept under the name, `#name` the same as a number, `${name}` the same inside a text. */
function filled(value) {
  if (typeof value === 'string') {
    if (/^\$\w+$/.test(value)) return known(value.slice(1))
    if (/^#\w+$/.test(value)) return Number(known(value.slice(1)))
    return value.replaceAll(/\$\{(\w+)\}/g, (_, name) => known(name))
  }
  if (Array.isArray(value)) return value.map(filled)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, filled(member)]))
  }
  return value
}

function known(name) {
  if (!(name in kept)) throw new Error(`nothing was kept as ${name}`)
  return kept[name]
}

/** What is wrong with `found`, or nothing. */
function differs(found, wanted, at = 'the answer') {
  const shown = JSON.stringify(found)?.slice(0, 600)
  const not = (what) => `${at} is ${shown}, not ${what}`
  if (wanted === null) return found === undefined || found === null ? undefined : not('absent')
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found) || found.length !== wanted.length) return not(`a list of ${wanted.length}`)
    return first(wanted.map((each, k) => differs(found[k], each, `${at}[${k}]`)))
  }
  if (typeof wanted !== 'object') return found === wanted ? undefined : not(JSON.stringify(wanted))
  const [[rule, of] = []] = Object.entries(wanted)
  switch (rule) {
    case '$given': return found !== undefined && found !== null && found !== '' ? undefined : not('there')
    case '$not': return differs(found, of, at) ? undefined : not('anything else')
    case '$like': return typeof found === 'string' && new RegExp(of, 's').test(found) ? undefined : not(`like ${of}`)
    case '$time': return typeof found === 'string' && !Number.isNaN(Date.parse(found)) ? undefined : not('a time')
    case '$size': return found?.length === of ? undefined : not(`of size ${of}`)
    case '$keys': return differs(Object.keys(found ?? {}).sort(), [...of].sort(), `the names in ${at}`)
    case '$each': return found?.length > 0 ? first(found.map((each, k) => differs(each, of, `${at}[${k}]`))) : not('filled')
    case '$some': return first(of.map((one) => (found ?? []).some((each) => !differs(each, one)) ? undefined : not(`with ${JSON.stringify(one)}`)))
    case '$same': return found?.length === of.length ? differs(found, { $some: of }, at) : not(`a list of ${of.length}`)
  }
  if (found === null || typeof found !== 'object') return not('an object')
  return first(Object.entries(wanted).map(([name, member]) => differs(memberOf(found, name), member, `${at}.${name}`)))
}

/** A member by the name that the API has for it; the client says `expiresIn` where that is `expires_in`. */
const memberOf = (value, name) => value?.[name] ?? value?.[name.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase())]

const first = (problems) => problems.find((problem) => problem !== undefined)

let lastSearch = 0

/** Calls a method of the client by its name and the names of its parameters: status, headers and body of the answer. */
async function call(path, named, as) {
  const names = path.split('.')
  const method = names.pop()
  const owner = names.reduce((object, name) => object[name], clientOf(as))
  const prototype = Object.getPrototypeOf(owner)
  const parameters = prototype[method].toString().match(/\(([^)]*)\)/)[1].split(',').map((name) => name.trim())
  const unknown = Object.keys(named).filter((name) => !parameters.includes(name))
  if (unknown.length) throw new Error(`${path} takes ${parameters}, not ${unknown}`)
  if (method === 'doSearch') {
    // Five in a second, however unevenly they arrive; after a burst the second has to pass first.
    if (!as?.retries) await sleep(Math.max(0, lastSearch + 300 - Date.now()))
    lastSearch = Date.now() + (as?.retries ? 1_000 : 0)
  }
  const whole = `${method}WithHttpInfo` in prototype && !as?.retries
  const args = parameters.map((name) => renamed(named[name], 'from', '_from'))
  try {
    const answer = await (whole ? owner[`${method}WithHttpInfo`](...args) : owner[method](...args))
    return whole ? { status: answer.httpStatusCode, headers: answer.headers, body: plain(answer.data) } : { body: plain(answer) }
  } catch (error) {
    if (error.code === undefined || typeof error.code !== 'number') throw error
    return { failed: error.code, status: error.code, headers: error.headers, body: plain(error.body) }
  }
}

const plain = (value) =>
  value === undefined ? undefined : renamed(renamed(JSON.parse(JSON.stringify(value)), '_from', 'from'), '_new', 'new')

/** The client calls members that are words of the language by other names. */
function renamed(value, old, name) {
  if (Array.isArray(value)) return value.map((each) => renamed(each, old, name))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key === old ? name : key, renamed(each, old, name)]))
}

async function request({ method, path, qs, body }, as) {
  const response = await clientOf(as).apiRequest({ method, path, qs, body })
  const text = await response.text()
  return { status: response.status, body: text ? JSON.parse(text) : undefined, headers: Object.fromEntries(response.headers) }
}

async function control(path, body) {
  const response = await fetch(base + path, { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

/** Waits for an event that fits. */
async function delivered(wanted) {
  for (const end = Date.now() + 5_000; Date.now() < end; await sleep(50)) {
    const events = deliveries.flatMap(({ body }) => JSON.parse(body))
    const found = events.find((event) => !differs(event, wanted))
    if (found) return { body: found }
  }
  throw new Error(`no event like ${JSON.stringify(wanted)} came`)
}

/** Whether the client's own helper takes every delivery so far for HubSpot's. */
function signed(version) {
  const one = ({ headers, body }) =>
    Signature.isValid({
      signatureVersion: version,
      signature: version === 'v3' ? headers['x-hubspot-signature-v3'] : headers['x-hubspot-signature'],
      clientSecret: secret,
      requestBody: body,
      url: target,
      method: 'POST',
      timestamp: Number(headers['x-hubspot-request-timestamp']),
    })
  const valid = deliveries.map(one)
  return { body: { deliveries: valid.length, valid: valid.every(Boolean), none: !valid.some(Boolean) } }
}

/** Whether the engine accepts what the client's own helper signs. */
function accepted({ version, body, uri, age = 0, spoilt = false }) {
  const timestamp = Date.now() - age
  const signature = Signature.getSignature('POST', version, { clientSecret: secret, requestBody: body, url: uri, timestamp })
  const headers =
    version === 'v3'
      ? [`X-HubSpot-Signature-v3: ${signature}`, `X-HubSpot-Request-Timestamp: ${timestamp}`]
      : [`X-HubSpot-Signature: ${signature}`, `X-HubSpot-Signature-Version: ${version}`]
  const args = ['webhook', 'verify', '--secret-env', 'SECRET', '--uri', uri, '--body', '-', '--json']
  const input = spoilt ? `${body} ` : body
  const ran = spawnSync(engine, [...args, ...headers.flatMap((header) => ['--header', header])], {
    input,
    env: { ...process.env, SECRET: secret },
  })
  return { status: ran.status, body: JSON.parse(ran.stdout) }
}

async function carryOut(step) {
  if (step.call) return call(step.call, step.with ?? {}, step.as)
  if (step.request) return request(step.request, step.as)
  if (step.twin) return control(step.twin, step.with ?? {})
  if (step.delivered) return delivered(step.delivered)
  if (step.signed) return signed(step.signed)
  if (step.accepted) return accepted(step.accepted)
  throw new Error('a step without anything to do')
}

async function problem(raw) {
  const { keep, ...unfilled } = raw
  const step = filled(unfilled)
  for (let k = 1; k < (step.times ?? 1); k++) await carryOut(step)
  const answer = await carryOut(step)
  if ((answer.failed ?? undefined) !== step.fails) {
    return `${answer.failed ? `it failed with ${answer.failed}: ${JSON.stringify(answer.body)}` : 'it did not fail'}`
  }
  const wrong = first([
    step.status === undefined ? undefined : differs(answer.status, step.status, 'the status'),
    step.is === undefined ? undefined : differs(answer.body, step.is),
    step.headers === undefined ? undefined : differs(answer.headers, step.headers, 'the headers'),
  ])
  if (wrong) return wrong
  for (const [name, path] of Object.entries(keep ?? {})) {
    kept[name] = path.split('.').reduce(memberOf, answer.body)
    if (kept[name] === undefined) return `there is no ${path} in ${JSON.stringify(answer.body)}`
  }
}

const verdicts = []
let row
// Lines that begin with a blank continue the line before.
for (const line of readFileSync(callsFile, 'utf8').replaceAll(/\n[ \t]+/g, ' ').split('\n')) {
  if (line.startsWith('# ')) row = line.slice(2)
  if (!line.startsWith('{')) continue
  const step = JSON.parse(line)
  if (dated && step.numbered) continue
  let wrong
  try {
    wrong = await problem(step)
  } catch (error) {
    wrong = String(error?.stack ?? error).slice(0, 1_500)
  }
  if (step.check || wrong) verdicts.push({ row, check: step.check ?? 'a preparation', wrong })
  if (wrong) console.log(`Node${dated ? ', dated paths' : ''}: ${row}: ${step.check ?? JSON.stringify(step)}: ${wrong}`)
}
writeFileSync(verdictsFile, JSON.stringify(verdicts))
twin.removeAllListeners('exit')
twin.kill()
receiver.close()
receiver.closeAllConnections()
