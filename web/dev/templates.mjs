// Just enough of the template language for the page templates: `{{ }}`, `{% if %}`,
// `{% else %}`, `{% for %}`, `{% include %}`.

/** `read` gives the text of a template that another one includes. */
export function render(template, values, read) {
  const whole = template.replace(/\{%\s*include "(.+?)"\s*%\}/g, (_, name) => read(name)).replace(/\{#.*?#\}\n?/gs, '');
  const parts = whole.split(/(\{\{.*?\}\}|\{%.*?%\})/s);
  const [text] = block(parts, 0, values);
  return text;
}

function block(parts, start, values) {
  let text = '';
  let i = start;
  while (i < parts.length) {
    const part = parts[i];
    const [, word, rest] = /^\{%\s*(\w+)\s*(.*?)\s*%\}$/s.exec(part) ?? [];
    if (word === 'endif' || word === 'endfor' || word === 'else') return [text, i + 1, word];
    if (word === 'if') {
      const [inside, next, end] = block(parts, i + 1, values);
      const [otherwise, after] = end === 'else' ? block(parts, next, values) : ['', next];
      text += truth(rest, values) ? inside : otherwise;
      i = after;
    } else if (word === 'for') {
      const [, name, list] = /^(\w+) in (.+)$/.exec(rest);
      const items = look(list, values) ?? [];
      let next = block(parts, i + 1, { ...values, [name]: '' })[1];
      for (const item of items) text += block(parts, i + 1, { ...values, [name]: item })[0];
      i = next;
    } else {
      text += part.startsWith('{{') ? value(part.slice(2, -2).trim(), values) : part;
      i++;
    }
  }
  return [text, i];
}

function truth(condition, values) {
  if (condition.startsWith('not ')) return !truth(condition.slice(4), values);
  const [left, right] = condition.split(' == ');
  return right ? look(left, values) === JSON.parse(right) : Boolean(look(left, values));
}

function value(expression, values) {
  const [name, filter] = expression.split('|');
  const text = String(look(name, values) ?? '');
  if (filter === 'safe') return text;
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function look(name, values) {
  return name.trim().split('.').reduce((at, key) => at?.[key], values);
}
