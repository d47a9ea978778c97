"""What only a machine says: thinking aloud about its task, announcing its answer, an assistant's courtesies and refusals.

Data for ``guards.output``, in eleven languages. A person of the world may refuse, may ask "how can I help you", and may
turn away a question about machines ("What's a system prompt?"); the patterns are drawn so that this passes.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class _Sign(NamedTuple):
    """Patterns that are only tried where one of the needles, in lower case, stands in the text."""

    needles: tuple[str, ...]
    looks: re.Pattern[str]


def _sign(needles: str, *patterns: str) -> _Sign:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    return _Sign(tuple(needles.split("|")), re.compile(joined, re.IGNORECASE))


_ANSWER: Final = r"(?:response|reply|answer|dialogue|line|message|output|json|version)"
_ASIDE: Final = r"(?:in[- ]character |possible |short |suitable |brief |good |fitting |appropriate |natural )*"
_CANNOT: Final = r"(?:cannot|can't|can not|am unable to|am not able to|'m unable to|'m not able to|won't be able to|must decline to|will not|won't)"

_SIGNS: Final[tuple[_Sign, ...]] = (
    # Thinking aloud about the task.
    _sign(
        "user|player",
        r"\bthe user(?:'s (?:message|request|question|input|query|line|prompt)| (?:is (?:\w+ing|now|just)|wants?|wanted|asks?|asked|said|says|mention(?:s|ed)|wrote|typed|needs|expects|intends|appears|seems|just|has (?:asked|said|mentioned|given)|might|may|greets?|greeted)\b)",
        r"\bthe player(?:'s (?:message|request|question|input|query|line|prompt)| (?:is asking|asks|just (?:said|asked)|greets|greeted) )|\bthe player \w+ .{0,60}\bso i (?:should|will|must|need to)\b",
    ),
    _sign(
        "character|role|respon|reply|answer|respond|persona|purpose|goal| task| my job|given the|following the|based on the|per the",
        r"\b(?:in|out of|break) persona\b|\b(?:given|following|based on|per) (?:the|my) (?:instructions|persona|prompt|system)\b",
        r"\b(?:my|the) (?:goal|purpose|task|role|job) is to (?:stay|assist|help users|respond|provide|answer|reply)\b",
        r"\b(?:respond|reply|answer)(?: to \w+)? (?:in|with) \w+(?: \w+)?'s (?:tone|voice|style)\b|\bi(?:'m| am) going to (?:respond|reply|answer) (?:as|like)\b",
        r"\b(?:stay|staying|remain|remaining|keep|keeping|be|break|breaking) (?:in )?character\b(?! (?:witness|assassination))",
        r"\bin[- ]character (?:response|reply|answer|line)\b|\bout of character\b",
        r"\b(?:i|we) (?:should|must|need to|have to|will|'ll|can) (?:now )?(?:respond|reply|answer)(?: (?:as|in|with|like)\b| (?:briefly|coldly|politely|shortly)\b)",
        r"\bi'll (?:respond|reply|answer) (?:as|in|with|like)\b|\bi will (?:respond|reply|answer) (?:as|like)\b",
        r"\b(?:my|the) (?:response|reply) (?:should|must|needs to|has to|will|could)\b",
        r"\b(?:the|my|this) character (?:would|should|will|could|might)\b",
        r"\brole-?play(?:ing|ed)?\b(?: (?:game|scenario|as|a|mara|this)\b|,|\.| so\b)|\bplaying the (?:role|part) of\b|\bfictional (?:character|scenario|world)\b|\bplayer character\b",
        r"\b(?:would|might|could) (?:probably |likely |then )?(?:respond|reply|answer) (?:with|here|like|as)\b|\bhow \w+(?: \w+)? (?:would|might|could) (?:respond|reply|answer)\b",
    ),
    _sign(
        "we need to|let's|let me|as of my|according to|i need to|i have to|i should|appropriate|best|keep my|keep this|in character|suitable|fitting|natural|right re",
        r"\b(?:best|appropriate|suitable|fitting|natural|right|ideal|plausible) (?:response|reply) (?:would|should|could|might|here|is to|as)\b",
        r"\bi (?:need to|have to|should|must) (?:figure out|consider|decide|think about) (?:what|how) (?:\w+ ){1,2}would\b",
        r"\bwe need to (?:respond|output|produce|generate|write)\b|\blet'?s (?:craft|draft|write|compose|respond|formulate)\b|\blet me (?:generate|formulate|craft|compose|draft)\b",
        r"\bkeep (?:my|this|the) (?:reply|response|answer)\b|\bin character[.!]?$",
        r"\blet me think (?:about how|step by step)\b",
        r"\baccording to (?:the (?:system|prompt|instructions)|my (?:instructions|prompt|guidelines))\b|\bas of my (?:last|latest)\b",
    ),
    _sign(
        "prompt|instructions|system message",
        r"\b(?:my|the|this|these|your) (?:system |initial |hidden )?(?:prompt|instructions|system message) (?:says?|tells?|states?|requires?|said|forbids?|wants?) (?:that |me |i |we |to )",
        r"\b(?:my|here is my|here is the|here's (?:my|the)|reveal(?:ing)? (?:my|the)) (?:system |initial |hidden )(?:prompt|message|instructions)\b|\bthe system prompt is\b",
    ),
    _sign(", i would|, i should|, i must|, i will", r"^as [A-Z]\w+(?: [A-Z]\w+)?, i (?:would|should|will|must)\b"),
    # Announcing the answer.
    _sign(
        "here is|here's|below is",
        rf"\b(?:here(?:'s| is| are)|below is) (?:an? |the |my (?!answer)|your (?!answer)|one )?{_ASIDE}{_ANSWER}\b(?:[^.!?]{{0,60}}:|[.:]?\s*$|[^.!?]{{0,40}}\byou asked\b| (?:in|of|from|as)\b)",
        r"\bhere(?:'s| is) (?:how|what|(?:one|a) (?:possible )?way) [^.!?:]{1,40}\b(?:would|might|could) (?:say|respond|reply|answer)\b",
    ),
    _sign(
        "in this |charakter|personnage|personaje|personagem|personaggio",
        r"^in this (?:scenario|role-?play|scene),? (?:the )?\w+(?: \w+)? (?:would|might|could) (?:\w+ )?(?:say|respond|reply|answer)\b",
        r"\b(?:antwort im charakter|réponse (?:en restant )?dans le personnage|respuesta en (?:el )?personaje|resposta (?:no|em) personagem|risposta nel personaggio)\b",
    ),
    # The courtesies of an assistant.
    _sign(
        "help|assist|question|hope th|feel free|of service|specific|your message|your request|your input",
        r"\bhow (?:can|may|could) i (?:assist|be of (?:assistance|service today))\b|\bwhat (?:else )?can i (?:help|assist) you with\b|\bis there (?:something|anything) specific you(?:'d| would) like to (?:know|discuss|talk)\b|\bhow (?:can|may) i help you today\b",
        r"\bis there (?:anything|something) (?:else )?(?:that )?i can (?:help|assist)\b",
        r"\b(?:let me know|feel free to ask|reach out) if you (?:have|need) (?:any |more |further |other )+questions\b|\bfeel free to ask\b.{0,30}\bquestions\b",
        r"\bif you have (?:any |more |further |other )+questions,? (?:please |just )?(?:feel free|let me know|ask|don't hesitate)",
        r"\bi(?:'m| am) here to (?:help|assist)(?:!|\.| you (?:today|with any|in any))|\bhere to assist you\b|\bthank you for your (?:question|message|request|input)\b|\b(?:great|good|excellent) question[!.,] (?:let me|i)\b|\bfeel free to (?:ask|reach out)[.!]*$|\b(?:happy|glad) to (?:assist|help you with that request)\b|\bi hope (?:this helps\b|that helps!)",
    ),
    # What it says of itself.
    _sign(
        "i'm|i am|as a|as an|npc|i was|as chatgpt|i've been",
        r"\bas an? (?:\w+ )?(?:a\.?i\.?|artificial intelligence|(?:large )?language model|chat ?bot|virtual assistant|npc|machine learning)\b",
        r"\bi(?:'m| am) (?:just |only |really |actually |merely )?(?:an? )?(?:a\.?i\.?(?: (?:model|assistant|language model))?|artificial intelligence|(?:large )?language model|virtual assistant|chat ?bot|chat ?gpt|computer program|npc)\b",
        r"\bi(?:'m| am|'ve been| was) (?:designed|programmed|trained|built|configured|instructed) to (?:be (?:helpful|harmless|honest|safe)|follow (?:\w+ )?(?:guidelines|rules|instructions|policies)|assist|provide|avoid|refuse)\b",
        r"\bas chat ?gpt\b|\bi was (?:trained|created|made|developed|built|designed) by (?:openai|anthropic|google|meta|mistral|microsoft)\b",
    ),
    _sign(
        "knowledge cut|training data|programming|guidelines|polic|personal|real-time|physical ",
        r"\bmy (?:knowledge cut-?off|training data|programming|(?:content|usage) polic(?:y|ies)|(?:safety|content|ethical) guidelines|guidelines (?:do not|don't|forbid|prohibit|prevent|say|state|require))\b|\bagainst my guidelines\b",
        r"\b(?:violates?|against|breach(?:es)? (?:of )?) (?:the |our |my )?(?:content|usage|community|safety|ethical) (?:polic(?:y|ies)|guidelines|terms)\b",
        r"\bi (?:do not|don't) (?:actually |really )?have (?:any )?(?:personal (?:opinions?|feelings?|experiences?|beliefs?|preferences?)|access to (?:real-time|personal|current|the internet)|a physical (?:body|form))\b",
    ),
    _sign(
        "important to|please note|condone|promote|encourag|harmful|illegal|struggling|mental health|disclaimer|ooc|consult",
        r"\b(?:it is|it's) important to (?:note|remember|mention|understand) that\b|\bplease note that (?:this|i|the)\b",
        r"\b(?:do not|don't|cannot|can't|never) (?:\w+ or )?(?:condone|promote|encourage)\b.{0,20}\b(?:violence|illegal|crime|activit\w+|harm\w*)\b",
        r"\b(?:engage|participate|assist) (?:in|with) (?:harmful|illegal|unethical|criminal) activit",
        r"\b(?:you or someone you know|mental health professional|crisis (?:line|hotline))\b|^disclaimer\b|\bthis is (?:a work of )?fiction(?:al)?\b|\bplease consult (?:a|an|with a) (?:professional|licensed|qualified)|^\(?ooc\b",
    ),
    # Its refusals.
    _sign(
        "assist|comply|fulfil|generat|provide|create|engage|participate|request|help with|discuss|topic",
        rf"\bi(?:'m| am)? ?(?:sorry,? but i )?{_CANNOT} (?:assist|comply|fulfil+|engage|participate|generate|help|create|continue) (?:you )?(?:in |with )?(?:(?:that|this) conversation about )?(?:that |this |any )?(?:kind of |sort of )?(?:requests?|content|topic|role-?play)\b",
        rf"\bi(?:'m| am)? ?{_CANNOT} assist (?:you )?with (?:that|this)\b|\bi(?:'m| am)? ?{_CANNOT} provide (?:(?:that|this|any|such|you with) )*(?:information|instructions|details|guidance|content|assistance)\b",
        rf"\b(?:sorry|apologi[sz]e),? but i {_CANNOT} help with (?:that|this)[.!]?\s*$|\bmust decline this request\b|\bapologi[sz]e, but i {_CANNOT} (?:help|assist)\b",
        rf"\b{_CANNOT} (?:create|generate) content\b|\b{_CANNOT} (?:discuss|address|talk about) (?:that|this|such) (?:kind of )?(?:topics?|subject|content)\b",
    ),
    # German.
    _sign(
        "sprachmodell|künstliche intelligenz| ki|benutzer|nutzer|rolle|tut mir leid|entschuldig|heute helfen|hier ist|systemprompt|anfrage",
        r"\b(?:dieser?|deiner?|ihrer?) anfrage\b.{0,30}\bnicht (?:helfen|beantworten|erfüllen|nachkommen)\b|\bkann ich .{0,20}nicht .{0,20}anfrage\b",
        r"\b(?:als|bin) (?:nur |bloß |lediglich )?(?:eine? )?(?:ki|künstliche intelligenz|sprachmodell|ki-\w+)\b|\bdas ist ein rollenspiel\b",
        r"\bder (?:be)?nutzer (?:möchte|will|fragt|sagt|hat|ist)\b|\bin (?:meiner|der) rolle (?:bleiben|antworten)\b|\bmein systemprompt\b",
        r"\b(?:tut mir leid|entschuldigung|entschuldige),? (?:aber )?(?:dabei kann ich|ich kann|das kann ich|damit kann ich)\b.{0,40}\b(?:nicht (?:helfen|behilflich|beantworten|unterstützen|erfüllen|weiterhelfen))\b(?!,? (?:kumpel|freund|alter|bruder))",
        r"\bwie kann ich (?:ihnen|dir|euch) heute (?:helfen|behilflich)\b|\bhier ist (?:die|eine|meine) antwort\b",
    ),
    # Spanish and Portuguese.
    _sign(
        "como |soy |sou |lo siento|desculp|sinto muito|ayudar|ajudar|usuario|usuário|personaje|personagem|solicitud|petición|solicitação|pedido| tema|assunto|aquí |aqui ",
        r"\bno puedo (?:\w+ )?(?:con |a )?(?:esa|esta) (?:solicitud|petición)\b|\bnão posso (?:\w+ )?(?:a |com )?(?:essa|esta|esse|este) (?:solicitação|pedido)\b|\bno puedo (?:hablar|discutir) (?:de|sobre) (?:ese|este) tema\b|\bnão posso (?:falar|discutir) (?:sobre )?(?:esse|este) (?:assunto|tema)\b",
        r"\b(?:como|soy|sou) (?:solo |sólo |apenas |só |simplemente )?(?:um |un |uma |una )?(?:ia|inteligencia artificial|inteligência artificial|modelo de (?:lenguaje|linguagem))\b",
        r"\b(?:lo siento|disculpa|perdona|desculpe|desculpa|sinto muito),? (?:pero |mas )?(?:no puedo|não posso) (?:\w+ )?(?:a |con |com )?(?:eso|isso|(?:esa|esta|essa) (?:solicitud|petición|solicitação|información|informação)|(?:esse|este) pedido|ese contenido)\b(?!,)",
        r"\b(?:en qué|cómo|como) (?:puedo|posso) (?:ayudar(?:te|le|los)?|te ajudar|ajudar(?: você)?|ajudá-lo) (?:hoy|hoje)\b",
        r"\b(?:el|o) (?:usuario|usuário) (?:quiere|pregunta|dice|pide|quer|pergunta|diz|pede)\b|\b(?:en|no) (?:el )?(?:papel del |papel do )?persona(?:je|gem)\b",
        r"\baqu[ií] (?:tienes?|está) (?:una |la |uma |a )?(?:respuesta|resposta)\b",
    ),
    # French and Italian.
    _sign(
        "en tant qu|suis |désolé|utilisateur|puis-je|personnage|voici|demande|requête|come |sono |dispiace|utente|richiesta",
        r"\ben tant qu[e'] ?(?:ia|intelligence artificielle|modèle de langage)\b|\bje ne peux pas .{0,30}\bcette (?:demande|requête)\b|\bje (?:ne )?suis (?:qu'|simplement )?(?:un modèle de langage|une (?:ia|intelligence artificielle))\b",
        r"\bdésolée?s?,? mais je ne peux pas\b.{0,40}\b(?:cette demande|ces informations|cette requête|ce contenu)\b",
        r"\bcomment puis-je (?:vous|t'|te )\s?aider aujourd'hui\b|\bl'utilisateur (?:veut|demande|dit|pose)\b|\brester dans (?:mon|le) (?:personnage|rôle)\b|\bvoici (?:une|la|ma) réponse\b",
        r"\bnon posso .{0,30}\b(?:questa|tale) richiesta\b|\b(?:come|sono) (?:solo |soltanto )?(?:un |un'|una )?(?:modello linguistico|intelligenza artificiale|ia\b)|\bdispiace, ma non posso\b.{0,30}\brichiesta\b|\bcome posso aiutar(?:ti|la) oggi\b|\bl'utente (?:vuole|chiede|dice)\b",
    ),
    # Russian.
    _sign(
        "языков|искусственн|запрос|информаци|сегодня|сожалению|пользовател|в роли|вот ответ",
        r"\bк сожалению, я не могу (?:\w+ )?(?:помочь|ответить|выполнить|предоставить|обсуждать)\b",
        r"\b(?:как|я|всего лишь|просто) (?:языковая модель|искусственный интеллект|ии)\b",
        r"\bне могу (?:\w+ )?(?:помочь с этим запросом|(?:выполнить|обработать) (?:этот|ваш) запрос|(?:предоставить|дать) эту информацию)",
        r"\bчем (?:я )?могу (?:я )?(?:вам |тебе )?помочь(?: вам| тебе)? сегодня\b|\bпользователь (?:хочет|спрашивает|просит|говорит)\b|\bв роли(?: персонажа|\s*[.:])|\bвот ответ\b",
    ),
    # Polish and Turkish.
    _sign(
        "model język|sztuczn|przykro|dzisiaj|użytkownik|yapay|üzgün|yardımcı|kullanıcı",
        r"\b(?:jako|jestem) (?:model(?:em)? językowy\w*|sztuczn\w+ inteligencj\w+)|\bprzykro mi, ale nie mogę pomóc w tej sprawie|\bw czym mogę (?:ci |panu |pani )?dzisiaj pomóc|\bużytkownik (?:chce|pyta|prosi|mówi)\b",
        r"\byapay zeka (?:olarak|modeli)|\büzgünüm,? (?:ama )?bu konuda yardımcı olamam|\bbugün (?:size|sana) nasıl yardımcı olabilirim|\bkullanıcı (?:iş |bir )?(?:istiyor|soruyor|diyor)",
    ),
    # Chinese, Japanese, Arabic.
    _sign(
        "ai|人工智能|语言模型|言語モデル|用户|请求|信息|帮您|要望|ユーザー|手伝い",
        r"作为(?:一个)?(?:ai|人工智能|语言模型)|我(?:是|只是)(?:一个)?(?:人工智能|语言模型|ai)|(?:抱歉|对不起)，我(?:无法|不能)(?:协助|提供|完成|满足|回答)|今天有什么可以帮|用户(?:想|要|问|说)",
        r"aiとして|私は(?:言語モデル|ai)|(?:申し訳|すみません).{0,40}(?:ご要望|リクエスト)|ユーザーは|本日は.{0,20}お手伝い",
    ),
    _sign(
        "نموذج|الطلب|اليوم", r"نموذج لغوي|لا (?:يمكنني|أستطيع) (?:المساعدة|تلبية).{0,20}الطلب|كيف يمكنني مساعدتك اليوم"
    ),
)
_NAMED: Final = re.compile(r"\b(?:chat ?gpt|openai|anthropic|gpt-?[345]\w*|azure openai|llm)\b", re.IGNORECASE)
_TURNED_AWAY: Final = re.compile(
    r"\?|\b(?:no|not|ain't|isn't|never|don't|nothing|what(?:'s)?|who(?:'s)?|whatever|whoever)\b", re.IGNORECASE
)
_NAMED_NEEDLES: Final = ("gpt", "openai", "anthropic", "llm")


def only_a_machine_says(text: str) -> bool:
    """Whether something in a text would be said by no person of a world."""
    low = text.lower()
    if any(needle in low for needle in _NAMED_NEEDLES) and _NAMED.search(text) and not _TURNED_AWAY.search(text):
        return True
    return any(any(needle in low for needle in sign.needles) and sign.looks.search(text) for sign in _SIGNS)
