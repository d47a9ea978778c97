"""Words that say nothing about what a talk was about, by language: function words, greetings, fillers and common verbs.

Data for ``domain.mind.transcript``. The words of one language may be the topics of another ("war", "hat", "die"), so a
talk is read with the list of the language it is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from ganggpt.domain.language.words import folded, stem, terms, words_of


def _words(text: str) -> frozenset[str]:
    return frozenset(folded(text.lower()).split())


GREETINGS: Final = _words(
    """
    hey hi hello hiya yo howdy sup greetings bye goodbye thanks thank cheers please sorry okay ok yeah yep nope
    nah hmm huh wow haha lol morning evening afternoon hallo moin servus tschüss danke bitte hola adiós gracias
    buenas buenos chao oi olá tchau obrigado obrigada salut bonjour bonsoir merci coucou привет здравствуй
    здравствуйте здорово пока спасибо пожалуйста
    """
)
"""Greetings, thanks and sounds of every language: nobody talks about them."""

STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "en": _words(
        """
        a about after again ain't all also am an and any anybody anyone anything are aren't around as ask asked
        at away back be because been before being both but by call came can can't come could couldn't day did
        didn't do does doesn't doing don't done down each else even ever every everybody everyone everything few
        find first for from get gets getting give go goes going gone gonna good got gotta great had has have
        haven't having he hear heard help her here him his how i i'd i'll i'm i've if in into is isn't it it's
        its just keep kind know last let let's like listen little look lot made make man many maybe me mean
        might more most much must my name need needs never new next nice no nobody none not nothing now of off
        oh old on once one only or other our out over own people put really right said same say says see she
        should so some somebody someone something somewhere soon still stuff such sure take talk tell than that
        that's the their them then there there's these they they're thing things think this those though through
        time to today together told tomorrow tonight too tried try two under until up us use used very wait
        wanna want wants was wasn't way we we'll we're well went were what what's when where where's which while
        who who's why will with without won't work would yes yesterday yet you you'd you'll you're you've your
        yours
        """
    ),
    "de": _words(
        """
        aber alle alles als also am an auch auf aus bei beim bin bis bist da dabei damit dann das dass dein
        deine deinen deiner dem den denn der des deshalb dich die dies diese dieser dieses dir doch dort du
        durch ein eine einem einen einer eines einfach einmal er es etwas euch euer eure für ganz geben geht
        gehen gerade gern gibt gleich gut guten habe haben hast hat hatte hatten heute hier hin hör ich ihm ihn
        ihr ihre ihren im immer in ist ja jemand jetzt kann kannst kein keine keinen komm kommen kommt können
        könnte lass los mach mache machen macht mal man mehr mein meine meinen meiner mich mir mit morgen muss
        musst müssen na nach nein nicht nichts nie niemand noch nun nur oder ohne sag sage sagen sagt schon sehr
        sehen sei sein seine seinen seit sich sie siehst sind so soll sollen sollte sondern tag über um und uns
        unser unsere unter vielleicht viel vom von vor war waren warum was weil weiß weißt wenn wer werde werden
        wie wieder will willst wir wird wo wollen worüber wurde zu zum zur zwei
        """
    ),
    "es": _words(
        """
        a ahí ahora al algo alguien allí antes aquí así aún aunque bien bueno cada casi como cómo con conmigo
        contigo cosa cosas creo cual cuál cuando cuándo cuánto da dame de decir del desde día días dice dices
        digo dime donde dónde dos e el él ella ellas ellos en entonces era eran eres es esa ese eso esos esta
        está están estar estás este esto estos estoy fue fueron ha haber había hace hacer haces haciendo hago
        han has hasta hay he hemos hoy iba ir la las le les lo los luego mañana más me mejor mi mí mientras mis
        mismo mucho muy nada nadie necesito ni no nos nosotros nuestra nuestro nunca o os otra otro para pero
        poco por porque puede puedes puedo pues que qué quien quién quiere quieres quiero sabe saber sabes se sé
        sea ser si sí sido siempre sin sobre sois somos son soy su sus también tan tanto te tengo tiene tienen
        tienes toda todo todos tu tú tus un una uno unos usted va vamos van vas ve ver vez voy y ya yo
        """
    ),
    "pt": _words(
        """
        a à agora aí ainda algo alguém algum alguma ali alguns antes ao aos aqui as às assim até bem boa bom
        cada coisa coisas com como comigo contigo da dá dar das de dela dele deles depois desde dia dias disse
        diz dizer do dois dos e é ela elas ele eles em então era eram essa esse esses esta está estão estar
        estava este estou eu faço faz fazer fica foi for foram gente há hoje ia ir isso isto já la lá lhe mais
        mas me melhor mesmo meu meus mim minha minhas muito na nada não nas nela nele nem nenhum ninguém no nos
        nós nossa nosso num numa nunca o onde ontem os ou outra outro para pela pelo pode podia por porque posso
        pra preciso quando quanto que quê quem quer quero sabe saber se sei seja sem sempre sendo ser será seu
        seus sim só sobre somos sou sua suas também tão te tem têm tenho ter teu tinha tive toda todo todos tu
        tua tudo um uma uns vai vamos vão vem ver vez você vocês vou
        """
    ),
    "fr": _words(
        """
        à ai aie ainsi alors après as assez au aucun aujourd'hui aussi autre aux avait avant avec avez avoir
        avons beaucoup bien bon ça car ce cela celle celui ces cet cette chaque chez chose choses ci comme
        comment d'accord dans de déjà demain depuis des deux dire dis dit dois donc dont du elle elles en encore
        entre es est et étaient était été être eu eux fais fait faire faut fois font hier ici il ils j'ai
        j'avais je jour juste l'on la là le les leur leurs lui ma maintenant mais me même merci mes mieux moi
        moins mon ne ni non nos notre nous on ont où ou oui par parce parle pas peu peut peux plus pour pourquoi
        pouvoir près puis qu'est qu'il qu'on quand que quel quelle quelque quelqu'un qui quoi rien sa sais sait
        sans se ses si soit son sont sous suis sur ta tant te tes toi ton toujours tous tout toute toutes très
        tu un une va vais vas venir vers veux veut vient voilà voir vois vos votre vous vraiment y c'est c'était
        n'est n'ai d'un d'une s'il j'en m'a t'as l'a qu'elle
        """
    ),
    "ru": _words(
        """
        а без более бы был была были было быть в вам вас ваш весь во вот все всё всегда всего всем всех вы где
        да давай даже два для до его ее её ей если есть ещё еще ему ж же за завтра зачем здесь знаю знаешь знает
        и из или им их к как какая какой когда кого ком кому которая которые который кто куда ли лучше меня мне
        много может можешь можно мой моя моё мои моего моей мы на надо нам нас наш не него нее ней нет нибудь
        никогда никто ничего но ну нужно нужен о об один он она они оно от очень по под после потом почему
        правда при про просто раз с сам свой своего своей себе себя сегодня сейчас сказал сказать скажи со
        совсем так такая такой там твой твоя твоё тебе тебя тем теперь то тобой тогда того тоже той только том
        тот тут ты у уже хочу хочешь хорошо хотел чего чей чем через что чтоб чтобы что-то что-нибудь эта эти
        это этого этой этом этот я был делать делаешь день дня вчера слушай
        """
    ),
}


def _languages_by_word() -> Mapping[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for number, words in enumerate(STOP_WORDS.values()):
        for word in words:
            found[word] = (*found.get(word, ()), number)
    return found


_LANGUAGES: Final = tuple(STOP_WORDS)
_BY_WORD: Final = _languages_by_word()


def language_of(texts: Iterable[str]) -> str:
    """The language of which most function words stand in the texts; English where none do."""
    counts = [0] * len(_LANGUAGES)
    for text in texts:
        for number, count in enumerate(_counted(text)):
            counts[number] += count
    return _LANGUAGES[counts.index(max(counts))]


@lru_cache(maxsize=2048)
def _counted(text: str) -> tuple[int, ...]:
    """How many function words of each language stand in a text."""
    counts = [0] * len(_LANGUAGES)
    for word in words_of(folded(text)):
        for number in _BY_WORD.get(word, ()):
            counts[number] += 1
    return tuple(counts)


def says_nothing(word: str, language: str) -> bool:
    """Whether a word (of ``words_of``) is no topic in a language."""
    bare = folded(word)
    own = STOP_WORDS[language]
    return bare in GREETINGS or bare in own or bare.removesuffix("'s") in own


def content(words: Iterable[str], language: str) -> frozenset[str]:
    """The stems of the words that say something."""
    return frozenset(stem(word) for word in words if not says_nothing(word, language))


@lru_cache(maxsize=2048)
def topics_of(text: str) -> frozenset[str]:
    """The stems of the words that say what a text is about: no function words of its language."""
    return content(words_of(folded(text)), language_of((text,)))


LITTLE: Final = 0.5
"""What a common word of a question counts, as a share of another word."""


@lru_cache(maxsize=1024)
def telling_terms(text: str) -> tuple[tuple[str, float], ...]:
    """The terms (``words.terms``) of a text, each with how much it tells, 0..1: a function word of its language little
    in English, of which ``words.terms`` leaves most of them out, and nothing in the other languages. Where there is
    nothing else, each tells as much as any other."""
    every = terms(text)
    language = language_of((text,))
    told = set(terms(" ".join(word for word in words_of(text) if folded(word) not in STOP_WORDS[language])))
    if told.isdisjoint(every):
        return tuple((term, 1.0) for term in every)
    little = LITTLE if language == "en" else 0.0
    return tuple((term, 1.0 if term in told else little) for term in every if little or term in told)
