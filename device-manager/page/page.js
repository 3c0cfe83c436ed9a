// SPDX-License-Identifier: Apache-2.0
// The node as its NICs, kept up to date by server-sent events. A cell is touched when what it shows has changed, and
// at no other time: five hundred of them are redrawn in no browser's blink. Text goes in as text, never as HTML.
'use strict';

const STATES = {
  in_pod: 'in pod', free: 'free', allocated: 'allocated', in_use_elsewhere: 'in use elsewhere', drifted: 'drifted',
  no_driver: 'no driver',
};
const HEALTH = { well: 'link up', no_carrier: 'no carrier', down: 'down', no_netdev: 'no netdev here' };

const $ = (id) => document.getElementById(id);
const cells = new Map(); // by PCI address: {vf, pf, element, shown, rate, words}
let node = null;
let traffic = {};
let flows = null; // of the kernel's datapath: {inHardware, inTc, inDatapath, besideTc}
let ports = {}; // of the switch, by name: {rxBytes, txBytes, offload: [{at, share, why}]}
let opened = null; // PCI address of the VF in the panel
let cursor = null; // PCI address of the VF that Tab comes to
const chosen = new Set(); // states that are shown; none: all

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function podOf(vf) {
  if (vf.pod) return `${vf.pod.namespace}/${vf.pod.name}`;
  return vf.holder ? `container ${vf.holder.containerID.slice(0, 12)}` : '';
}

function perSecond(bytes) {
  if (bytes === null || bytes === undefined) return '';
  let bits = bytes * 8;
  for (const unit of ['b/s', 'kb/s', 'Mb/s', 'Gb/s']) {
    if (bits < 1000 || unit === 'Gb/s') return `${bits < 10 && unit !== 'b/s' ? bits.toFixed(1) : Math.round(bits)} ${unit}`;
    bits /= 1000;
  }
  return '';
}

function rateOf(pci) {
  const counted = traffic[pci];
  if (!counted || counted.rxRate === null || counted.txRate === null) return null;
  return counted.rxRate + counted.txRate;
}

function offloadText(offload) {
  if (!offload) return '';
  if (offload.flows === 0) return 'no flows';
  return `${offload.inHardware}/${offload.flows} flows in hardware${offload.why ? `: ${offload.why}` : ''}`;
}

// Flows that never reached the traffic class layer cannot be in hardware.
function flowsText(bridge) {
  if (!flows || flows.besideTc === null || !node.switch.hwOffload || bridge.datapath !== 'system') return '';
  return ` · ${flows.besideTc} % of all flows never reach tc`;
}

// How the share of a port has changed, the newest last.
function offloadHistory(name) {
  const changes = ports[name] ? ports[name].offload : [];
  if (changes.length < 2) return '';
  return changes.map((each) => `${each.at.slice(11, 19)} ${each.share === null ? 'no flows' : `${each.share} %`}`).join(', ');
}

function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return '';
  let size = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB', 'TB']) {
    if (size < 1000 || unit === 'TB') return `${size < 10 && unit !== 'B' ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return '';
}

function countedText(name) {
  const counted = ports[name];
  return !counted || counted.rxBytes === null ? '' : `↓ ${bytesText(counted.rxBytes)} ↑ ${bytesText(counted.txBytes)}`;
}

// What a search is held against.
function wordsOf(vf, pf) {
  const holder = vf.holder || {};
  return [podOf(vf), vf.pci, vf.mac, vf.vlan === null ? '' : `vlan ${vf.vlan}`, vf.netdev, vf.representor, vf.port, vf.bridge,
    vf.pool, vf.driver, holder.network, holder.plugin, holder.containerID, STATES[vf.state], pf.name, pf.pci, vf.why,
    ...vf.drift].filter(Boolean).join(' ').toLowerCase();
}

// ---- cells

function newCell(vf) {
  const element = make('button', 'cell');
  element.type = 'button';
  element.dataset.pci = vf.pci;
  element.tabIndex = -1;
  element.append(make('span', 'who'), make('span', 'what'), make('span', 'bar'));
  element.children[0].append(make('i'), document.createTextNode(''));
  element.children[2].ariaHidden = 'true';
  return { element, shown: '', rate: '', pf: null, vf: null, words: '' };
}

function labelOf(cell) {
  const { vf, pf } = cell;
  const parts = [`VF ${vf.id} of ${pf.name}`, STATES[vf.state], podOf(vf)];
  if (vf.vlan !== null) parts.push(`VLAN ${vf.vlan}`);
  parts.push(cell.rate, offloadText(vf.offload), ...vf.drift);
  return parts.filter(Boolean).join(', ');
}

function drawRate(cell) {
  const { vf, pf, element } = cell;
  const rate = rateOf(vf.pci);
  const text = rate ? perSecond(rate) : '';
  if (text === cell.rate && cell.drawnRate) return;
  cell.rate = text;
  cell.drawnRate = true;
  const vlan = vf.vlan === null ? '' : `VLAN ${vf.vlan}`;
  const fallback = element.classList.contains('wide') ? (vf.holder ? vf.holder.network : STATES[vf.state]) : '';
  setText(element.children[1], [vlan, text].filter(Boolean).join(' · ') || fallback);
  const share = rate && pf.speedMbps ? Math.min(100, (rate * 8) / (pf.speedMbps * 1e4)) : 0;
  element.children[2].style.width = `${share}%`;
  const label = labelOf(cell);
  element.setAttribute('aria-label', label);
  element.title = label;
}

function drawCell(cell, vf, pf, isNew) {
  const shown = JSON.stringify(vf);
  cell.pf = pf;
  if (shown === cell.shown) return;
  cell.shown = shown;
  cell.vf = vf;
  cell.words = wordsOf(vf, pf);
  const isWide = podOf(vf) !== '' || vf.state === 'drifted';
  const isSoft = vf.offload && vf.offload.inHardware < vf.offload.flows;
  cell.element.className = `cell ${vf.state}${isWide ? ' wide' : ''}${isSoft ? ' soft' : ''}${isNew ? '' : ' changed'}`;
  cell.element.children[0].firstChild.textContent = vf.id;
  cell.element.children[0].lastChild.textContent = vf.pod ? vf.pod.name : podOf(vf);
  cell.element.setAttribute('aria-expanded', String(opened === vf.pci));
  cell.drawnRate = false;
  drawRate(cell);
  if (opened !== vf.pci || isNew) return;
  drawDetail();
  loadHistory(vf.pci);
}

// ---- cards

function newNic(pf) {
  const card = make('section', 'card');
  card.dataset.pci = pf.pci;
  const head = make('div', 'head');
  head.append(make('h2'), make('span', 'facts'), make('span', 'rate'), make('span', 'badge eswitch'),
    make('span', 'badge health'));
  const grid = make('div', 'vfs');
  grid.setAttribute('role', 'group');
  card.append(head, grid);
  return card;
}

function drawNic(card, pf) {
  const head = card.firstChild;
  setText(head.children[0], pf.name);
  const facts = [pf.model, pf.name === pf.pci ? '' : pf.pci, pf.driver, pf.speedMbps ? `${pf.speedMbps / 1000} Gb/s` : '',
    `${pf.vfsEnabled} of ${pf.vfsTotal} VFs, ${pf.vfsFree} free`, ...pf.problems];
  setText(head.children[1], facts.filter(Boolean).join(' · '));
  setText(head.children[3], pf.eswitch || '');
  head.children[3].hidden = !pf.eswitch;
  const isIll = pf.health !== 'well' && pf.vfsEnabled > 0;
  setText(head.children[4], HEALTH[pf.health]);
  head.children[4].className = `badge health ${pf.health === 'well' ? 'good' : isIll ? 'bad' : ''}`;
  card.classList.toggle('ill', isIll);
  const grid = card.lastChild;
  grid.setAttribute('aria-label', `VFs of ${pf.name}`);
  const wanted = pf.vfs.map((vf) => vf.pci);
  const present = Array.from(grid.children, (element) => element.dataset.pci);
  if (wanted.join() !== present.join()) {
    for (const pci of present) if (!wanted.includes(pci)) cells.delete(pci);
    grid.replaceChildren(...pf.vfs.map((vf) => {
      if (!cells.has(vf.pci)) cells.set(vf.pci, newCell(vf));
      return cells.get(vf.pci).element;
    }));
  }
  for (const vf of pf.vfs) drawCell(cells.get(vf.pci), vf, pf, cells.get(vf.pci).shown === '');
}

function drawNics() {
  const box = $('nics');
  const old = new Map(Array.from(box.querySelectorAll('section'), (card) => [card.dataset.pci, card]));
  const order = [];
  for (const numa of node.numaNodes) {
    if (node.numaNodes.length > 1 || numa.id !== null)
      order.push(make('h2', 'numa', numa.id === null ? 'of no NUMA node' : `NUMA node ${numa.id}`));
    for (const pf of numa.pfs) {
      const card = old.get(pf.pci) || newNic(pf);
      drawNic(card, pf);
      order.push(card);
    }
  }
  if (order.length === 0) order.push(make('p', 'faint', 'No NIC of this node can have virtual functions.'));
  const is = (list) => list.map((each) => each.dataset.pci || each.textContent).join();
  if (is(order) !== is(Array.from(box.children))) box.replaceChildren(...order);
}

function drawBridges() {
  const bridges = node.switch ? node.switch.bridges : [];
  $('bridges').replaceChildren(...bridges.map((bridge) => {
    const card = make('section', 'card');
    card.setAttribute('aria-label', `Bridge ${bridge.name}`);
    const head = make('div', 'head');
    head.append(make('h2', '', bridge.name), make('span', 'facts',
      `bridge · datapath ${bridge.datapath} · ${bridge.ports.length} ports${node.switch.hwOffload ? ' · hw-offload' : ''}${flowsText(bridge)}`));
    if (!node.switch.running) head.append(make('span', 'badge bad', 'no ovs-vswitchd'));
    const ports = make('div', 'ports');
    for (const port of bridge.ports) {
      const box = make('div', `port ${port.state}`);
      const tag = port.tag === null ? (port.trunks.length ? `trunks ${port.trunks.join(',')}` : '') : `tag ${port.tag}`;
      box.append(make('span', '', port.name), make('span', 'faint', [port.state, tag,
        port.holder && port.holder.pod ? `${port.holder.pod.namespace}/${port.holder.pod.name}` : '',
        offloadText(port.offload), countedText(port.name), port.error].filter(Boolean).join(' · ')));
      ports.append(box);
    }
    card.append(head, ports);
    return card;
  }));
}

function drawPools() {
  const box = $('pools');
  box.hidden = node.pools.length === 0;
  box.replaceChildren(make('h2', '', 'Pools'), ...node.pools.map((pool) => {
    const item = make('div', 'pool');
    const name = make('div', 'name');
    name.append(make('span', '', pool.resource), make('span', 'faint', `${pool.free} of ${pool.devices} free`));
    const bar = make('progress');
    bar.max = Math.max(pool.devices, 1);
    bar.value = pool.devices - pool.free;
    bar.setAttribute('aria-label', `${pool.resource}: ${pool.devices - pool.free} of ${pool.devices} taken`);
    item.append(name, bar);
    return item;
  }));
}

function drawOthers() {
  const box = $('others');
  box.hidden = node.attachments.length === 0;
  box.replaceChildren(make('h2', '', 'Attachments without a VF'), ...node.attachments.map((each) => {
    const item = make('div', 'other');
    const pod = each.holder.pod;
    item.append(make('b', '', pod ? `${pod.namespace}/${pod.name}` : `container ${each.holder.containerID.slice(0, 12)}`),
      make('span', 'faint', [each.holder.plugin, each.holder.network, each.device].filter(Boolean).join(' · ')));
    return item;
  }));
}

function drawSummary() {
  const count = {};
  let total = 0;
  for (const cell of cells.values()) {
    count[cell.vf.state] = (count[cell.vf.state] || 0) + 1;
    total += 1;
  }
  setText($('node'), node.node || 'this node');
  document.title = `${node.node || 'node'} – Barewire`;
  const nics = node.numaNodes.reduce((sum, numa) => sum + numa.pfs.length, 0);
  setText($('summary'), `${nics} NIC${nics === 1 ? '' : 's'}, ${total} VFs`);
  for (const button of $('filters').children) {
    setText(button.lastChild, String(count[button.dataset.state] || 0));
    button.hidden = !count[button.dataset.state] && !chosen.has(button.dataset.state);
  }
  const problems = $('problems');
  problems.hidden = node.problems.length === 0;
  problems.replaceChildren(...node.problems.map((text) => make('li', '', text)));
}

function drawRates() {
  for (const cell of cells.values()) drawRate(cell);
  for (const numa of node.numaNodes) {
    for (const pf of numa.pfs) {
      const rates = pf.vfs.map((vf) => traffic[vf.pci]).filter((each) => each && each.rxRate !== null && each.txRate !== null);
      const sum = (key) => rates.reduce((total, each) => total + each[key], 0);
      const card = cells.size && document.querySelector(`section[data-pci="${CSS.escape(pf.pci)}"]`);
      if (card) setText(card.firstChild.children[2], rates.length ? `↓ ${perSecond(sum('rxRate'))} ↑ ${perSecond(sum('txRate'))}` : '');
    }
  }
  if (opened) drawDetail();
}

// ---- search and filter

function applySearch() {
  const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const isNarrowed = words.length > 0 || chosen.size > 0;
  let found = 0;
  for (const cell of cells.values()) {
    const matches = (chosen.size === 0 || chosen.has(cell.vf.state)) && words.every((word) => cell.words.includes(word));
    if (cell.element.hidden === matches) cell.element.hidden = !matches;
    if (matches) found += 1;
  }
  for (const card of document.querySelectorAll('#nics section'))
    card.hidden = isNarrowed && !card.querySelector('.cell:not([hidden])');
  $('found').hidden = !isNarrowed;
  setText($('found'), isNarrowed ? `${found} of ${cells.size} VFs` : '');
  const at = cells.get(cursor);
  if (!at || at.element.hidden) moveCursor(firstCell());
}

function firstCell() {
  return document.querySelector('.cell:not([hidden])');
}

function makeFilters() {
  for (const [state, text] of Object.entries(STATES)) {
    const button = make('button', `filter ${state}`, `${text} `);
    button.type = 'button';
    button.dataset.state = state;
    button.setAttribute('aria-pressed', 'false');
    button.append(make('b', '', '0'));
    button.addEventListener('click', () => {
      if (!chosen.delete(state)) chosen.add(state);
      button.setAttribute('aria-pressed', String(chosen.has(state)));
      applySearch();
    });
    $('filters').append(button);
  }
}

// ---- keyboard

function moveCursor(element) {
  const before = cells.get(cursor);
  if (before) before.element.tabIndex = -1;
  cursor = element ? element.dataset.pci : null;
  if (element) element.tabIndex = 0;
}

// Cells have two widths: the neighbour above or below is the one nearest in that direction.
function neighbour(element, key) {
  const all = Array.from(document.querySelectorAll('.cell')).filter((each) => each.offsetParent !== null);
  const at = all.indexOf(element);
  if (key === 'ArrowLeft') return all[at - 1];
  if (key === 'ArrowRight') return all[at + 1];
  if (key === 'Home') return all[0];
  if (key === 'End') return all[all.length - 1];
  const from = element.getBoundingClientRect();
  const middle = (box) => (box.left + box.right) / 2;
  let best;
  let nearest = Infinity;
  for (const each of all) {
    const to = each.getBoundingClientRect();
    const down = key === 'ArrowDown' ? to.top - from.top : from.top - to.top;
    const distance = down * 1000 + Math.abs(middle(to) - middle(from));
    if (down > 1 && distance < nearest) [best, nearest] = [each, distance];
  }
  return best;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target === $('search');
  if (event.key === '/' && !isTyping) {
    event.preventDefault();
    $('search').focus();
    $('search').select();
  } else if (event.key === 'Escape') {
    if (opened) closeDetail();
    else if ($('search').value) {
      $('search').value = '';
      applySearch();
    } else if (isTyping) $('search').blur();
  } else if (isTyping && (event.key === 'Enter' || event.key === 'ArrowDown')) {
    event.preventDefault();
    const first = firstCell();
    if (first) first.focus();
  } else if (event.target.classList.contains('cell') && /^(Arrow|Home|End)/.test(event.key)) {
    event.preventDefault();
    const next = neighbour(event.target, event.key);
    if (next) next.focus();
  }
}

// ---- one VF

function fact(name, value, className) {
  if (value === null || value === undefined || value === '') return [];
  return [make('dt', '', name), make('dd', className || '', String(value))];
}

function drawDetail() {
  const cell = cells.get(opened);
  if (!cell) return;
  const { vf, pf } = cell;
  const holder = vf.holder || {};
  const counted = traffic[vf.pci] || {};
  const flow = (rate, bytes) => (bytes === null || bytes === undefined ? '' :
    [perSecond(rate), `${bytes.toLocaleString('en')} bytes`].filter(Boolean).join(', '));
  setText($('detail-name'), `VF ${vf.id} of ${pf.name}`);
  const facts = [
    ...fact('state', STATES[vf.state]), ...vf.drift.flatMap((each) => fact('drift', each, 'bad')), ...(vf.holder ? [] : fact('why', vf.why)),
    ...fact('pod', podOf(vf)), ...fact('network', holder.network), ...fact('interface', holder.ifname),
    ...fact('plugin', holder.plugin), ...fact('since', holder.since), ...fact('VLAN', vf.vlan), ...fact('MAC', vf.mac),
    ...fact('received', flow(counted.rxRate, counted.rxBytes)), ...fact('sent', flow(counted.txRate, counted.txBytes)),
    ...fact('PCI', vf.pci), ...fact('driver', vf.driver), ...fact('netdev', vf.netdev), ...fact('pool', vf.pool),
    ...fact('representor', vf.representor), ...fact('port', vf.port && `${vf.port} of ${vf.bridge}`),
    ...fact('offload', offloadText(vf.offload)), ...fact('offload before', offloadHistory(vf.port)), ...fact('eswitch', pf.eswitch),
  ];
  const is = (list) => list.map((each) => each.textContent).join('\n');
  if (is(facts) !== is(Array.from($('facts').children))) $('facts').replaceChildren(...facts);
}

function drawHistory(events) {
  const items = events.slice().reverse().map((event) => {
    const item = make('li', event.event);
    const pod = event.pod ? `${event.namespace}/${event.pod}` : (event.container || '').slice(0, 12);
    const when = make('time', '', event.time.slice(0, 19).replace('T', ' ') + ' UTC');
    when.dateTime = event.time;
    item.append(when, make('div', '', [event.event, pod, event.network].filter(Boolean).join(' · ')));
    if (event.what) item.append(make('div', 'faint', event.code ? `${event.code}: ${event.what}` : event.what));
    return item;
  });
  $('history').replaceChildren(...(items.length ? items : [make('li', 'faint', 'Nothing is recorded of it.')]));
}

async function loadHistory(pci) {
  try {
    const answer = await fetch(`/history?vf=${encodeURIComponent(pci)}`);
    const text = answer.ok ? await answer.json() : null;
    if (opened !== pci) return; // another was opened meanwhile
    if (text) drawHistory(text.events);
    else $('history').replaceChildren(make('li', 'faint', 'The history cannot be read now.'));
  } catch (error) {
    if (opened === pci) $('history').replaceChildren(make('li', 'faint', 'The daemon does not answer.'));
  }
}

function openDetail(pci) {
  const before = cells.get(opened);
  if (before) before.element.setAttribute('aria-expanded', 'false');
  opened = pci;
  cells.get(pci).element.setAttribute('aria-expanded', 'true');
  $('history').replaceChildren(make('li', 'faint', 'reading …'));
  drawDetail();
  $('detail').hidden = false;
  document.body.classList.add('open');
  loadHistory(pci);
}

function closeDetail() {
  const cell = cells.get(opened);
  opened = null;
  $('detail').hidden = true;
  document.body.classList.remove('open');
  if (!cell) return;
  cell.element.setAttribute('aria-expanded', 'false');
  cell.element.focus();
}

// ---- what comes from the daemon

function showNode(document_) {
  node = document_;
  drawNics();
  drawBridges();
  drawPools();
  drawOthers();
  drawSummary();
  applySearch();
  drawRates();
  if (opened && !cells.has(opened)) closeDetail();
}

function showPorts(counted) {
  ports = counted;
  if (!node) return;
  drawBridges();
  if (opened) drawDetail();
}

function showFlows(counted) {
  flows = counted;
  if (node) drawBridges();
}

function showTraffic(counted) {
  traffic = counted;
  if (node) drawRates();
}

function showLive(className, text) {
  $('live').className = `live ${className}`;
  setText($('live'), text);
}

// Where there are too many listeners: now and then, and without rates.
async function askOnce() {
  try {
    const answer = await fetch('/node.json');
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.json();
    traffic = text.traffic;
    ports = text.ports;
    flows = text.flows;
    showNode(text);
    showLive('', 'every 10 s');
  } catch (error) {
    showLive('off', 'no answer');
  }
  setTimeout(listen, 10000);
}

function listen() {
  const events = new EventSource('/events');
  events.addEventListener('open', () => showLive('on', 'live'));
  events.addEventListener('node', (event) => showNode(JSON.parse(event.data)));
  events.addEventListener('ports', (event) => showPorts(JSON.parse(event.data)));
  events.addEventListener('flows', (event) => showFlows(JSON.parse(event.data)));
  events.addEventListener('traffic', (event) => showTraffic(JSON.parse(event.data)));
  events.addEventListener('error', () => {
    if (events.readyState !== EventSource.CLOSED) return showLive('off', 'connecting again');
    events.close();
    askOnce();
  });
}

makeFilters();
$('search').addEventListener('input', applySearch);
$('close').addEventListener('click', closeDetail);
document.addEventListener('keydown', onKey);
document.addEventListener('focusin', (event) => {
  if (event.target.classList.contains('cell')) moveCursor(event.target);
});
document.addEventListener('click', (event) => {
  const cell = event.target.closest('.cell');
  if (cell) openDetail(cell.dataset.pci);
});
listen();
